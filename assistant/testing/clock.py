"""Time that a test moves by hand."""

from __future__ import annotations

import heapq
import itertools

import anyio
import anyio.lowlevel


class ManualClock:
    """A Clock that stands still until `advance`. Sleeping tasks wake in the order
    of their times.
    """

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, anyio.Event]] = []

    def now(self) -> float:
        return self._now

    async def sleep_until(self, time_s: float) -> None:
        if time_s <= self._now:
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        heapq.heappush(self._sleepers, (time_s, next(self._order), woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Moves the time on. Everything that is due happens at its own time, and in its order;
        returns when all tasks wait again.
        """
        end = self._now + seconds
        await _all_wait()
        while self._sleepers and self._sleepers[0][0] <= end:
            time_s, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, time_s)
            woken.set()
            await _all_wait()
        self._now = end


async def _all_wait() -> None:
    """Waits until all tasks wait. Looks several times: a cancellation is delivered between two
    looks.

    Tasks that only forward something run first, because on asyncio a look that finds a running task
    takes 0.1 s.
    """
    for _ in range(3):
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
