"""Time, as a live conversation sees it; tests drive one of their own (assistant.testing)."""

from __future__ import annotations

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Seconds that only grow, from any beginning."""

    def now(self) -> float: ...

    async def sleep_until(self, time_s: float) -> None:
        """Returns at once where that time is over."""
        ...


class SystemClock:
    """The time of this machine."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep_until(self, time_s: float) -> None:
        await anyio.sleep(max(0.0, time_s - time.monotonic()))
