"""Waiting for something to happen, but not for ever; by a Clock, so that tests need no time."""

from __future__ import annotations

import anyio

from assistant.live.clock import Clock


async def wait_until(event: anyio.Event, clock: Clock, until: float) -> bool:
    """Whether the event was set before that time; returns as soon as that is known."""
    async with anyio.create_task_group() as tasks:

        async def wake() -> None:
            await clock.sleep_until(until)
            tasks.cancel_scope.cancel()

        tasks.start_soon(wake)
        await event.wait()
        tasks.cancel_scope.cancel()
    return event.is_set()
