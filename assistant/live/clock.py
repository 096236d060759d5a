"""The clock of live conversations; tests drive one by hand (`assistant.testing.ManualClock`)."""

from __future__ import annotations

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Time in seconds that never goes back."""

    def now(self) -> float:
        """Returns the seconds since a moment that is the same for the whole process."""
        ...

    async def sleep_until(self, time_s: float) -> None:
        """Waits until that time; returns at once if it has passed."""
        ...


class SystemClock:
    """The monotonic clock of this machine."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep_until(self, time_s: float) -> None:
        await anyio.sleep(max(0.0, time_s - time.monotonic()))


async def wait_until(event: anyio.Event, clock: Clock, deadline: float) -> bool:
    """Waits for an event until a time of `clock`; returns whether the event was set."""
    async with anyio.create_task_group() as tasks:

        async def wake() -> None:
            await clock.sleep_until(deadline)
            tasks.cancel_scope.cancel()

        tasks.start_soon(wake)
        await event.wait()
        tasks.cancel_scope.cancel()
    return event.is_set()
