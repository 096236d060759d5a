"""Helpers for anyio: a task group that an object owns, and a broadcast signal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def open_tasks(*, cancel: bool = True) -> AsyncIterator[TaskGroup]:
    """Opens a task group for as long as the block runs; `cancel` stops its tasks at the end.

    An error of the block is raised as it is: the group would wrap it in an ExceptionGroup.
    """
    group = anyio.create_task_group()
    await group.__aenter__()
    try:
        yield group
    finally:
        if cancel:
            group.cancel_scope.cancel()
        await group.__aexit__(None, None, None)


class Signal:
    """Wakes all tasks that wait for the next change."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        """Wakes the tasks that wait now; tasks that wait later need another call."""
        self._event.set()
        self._event = anyio.Event()

    async def wait(self) -> None:
        """Waits for the next `notify`."""
        await self._event.wait()
