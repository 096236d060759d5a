"""The turn queue: limits the turns that run and that wait, and refuses the next one (load
shedding).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from assistant.config import LimitSettings
from assistant.server.auth.keys import ApiKey
from assistant.server.auth.rate_limits import RateLimits
from assistant.server.http.errors import too_many, unavailable

RETRY_AFTER_S = 2.0


class TurnQueue:
    """First come, first served. `draining`: the server is about to stop and begins no turn.

    `check_memory` raises ApiError if the server is short of memory.
    """

    def __init__(
        self, limits: LimitSettings, rates: RateLimits, check_memory: Callable[[], None]
    ) -> None:
        self._limits = limits
        self._check_memory = check_memory
        self._rates = rates
        self._places = anyio.CapacityLimiter(limits.max_turns)
        self._waiting = 0
        self.draining = False

    @property
    def running(self) -> int:
        return int(self._places.borrowed_tokens)

    @property
    def waiting(self) -> int:
        return self._waiting

    @asynccontextmanager
    async def turn(self, key: ApiKey) -> AsyncIterator[None]:
        """Surrounds a turn; waits until it may run.

        Raises ApiError 429 if the key has too many turns or too many wait, 503 if the turn waited
        too long, the server is short of memory or about to stop.
        """
        if self.draining:
            raise unavailable("the server is about to stop", retry_after_s=5 * RETRY_AFTER_S)
        self._check_memory()
        with self._rates.turn(key):
            place = object()
            await self._take(place)
            try:
                yield
            finally:
                self._places.release_on_behalf_of(place)

    async def _take(self, place: object) -> None:
        if not self._waiting and self.running < self._limits.max_turns:
            self._places.acquire_on_behalf_of_nowait(place)
            return
        if self._waiting >= self._limits.max_waiting:
            raise too_many("too many turns are waiting already", retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            with anyio.fail_after(self._limits.max_wait_s):
                await self._places.acquire_on_behalf_of(place)
        except TimeoutError:
            text = f"no place became free within {self._limits.max_wait_s:g} s"
            raise unavailable(text, retry_after_s=RETRY_AFTER_S) from None
        finally:
            self._waiting -= 1
