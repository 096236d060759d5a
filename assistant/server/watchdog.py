"""The watchdog: whether work moves, for /health, and how late the event loop is.

A server whose port answers may still be stuck: an engine whose threads hang, or an event loop that
something blocks. If turns run and none of them has moved for `stuck_s`, or the last turns all
failed, the watchdog asks the engine for one short turn of its own. If that does not end in time,
the server is unhealthy until a turn moves again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

import anyio

from assistant.errors import AssistantError

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
PROBE_S = 15.0
"""Seconds that the watchdog's own turn may take."""
FAILURES = 3
"""Turns that fail one after another before the watchdog asks the engine."""
LAG_S = 60.0
"""Seconds for which the largest lag is remembered."""


class Watchdog:
    """`probe` runs one short turn, and raises AssistantError if it fails. `running` returns the
    number of turns that run.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[None]],
        running: Callable[[], int],
        stuck_s: float,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = ""
        """What is wrong, in one line; empty while work moves."""
        self._probe = probe
        self._running = running
        self._stuck_s = stuck_s
        self._now = now
        self._moved_at = now()
        self._failures = 0
        self._lag = (0.0, 0.0)  # the largest one, and until when it counts

    @property
    def lag_s(self) -> float:
        """The largest lag of the event loop within the last minute, in seconds."""
        lag, until = self._lag
        return lag if self._now() < until else 0.0

    def moved(self) -> None:
        """Notes that a turn has had an event."""
        self._moved_at = self._now()

    def ended(self, *, failed: bool) -> None:
        """Notes the end of a turn; one that has not failed shows that the engine works."""
        self._failures = self._failures + 1 if failed else 0
        if not failed:
            self.problem = ""

    @property
    def suspects(self) -> bool:
        """True if nothing moves although turns run, or if the last turns all failed."""
        if not self._running():
            self._moved_at = max(self._moved_at, self._now() - self._stuck_s / 2)
        return self._now() - self._moved_at > self._stuck_s or self._failures >= FAILURES

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            before = self._now()
            await anyio.sleep(LOOK_EVERY_S)
            self._note_lag(self._now() - before - LOOK_EVERY_S)
            if self.suspects:
                await self.look()

    def _note_lag(self, lag: float) -> None:
        if lag > self.lag_s:
            self._lag = lag, self._now() + LAG_S

    async def look(self) -> None:
        """Asks the engine for a turn, and sets or clears `problem`."""
        problem = f"the engine did not finish a short turn within {PROBE_S:g} s"
        try:
            with anyio.move_on_after(PROBE_S):
                await self._probe()
                problem = ""
        except AssistantError as error:
            problem = f"the engine fails: {error}"
        if problem and not self.problem:
            logger.error("Unhealthy: %s", problem)
        self.problem = problem
        self._failures = 0
        self.moved()
