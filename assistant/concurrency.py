"""Helpers for anyio: a task group that an object owns, a broadcast signal, and daemon threads."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Generic, TypeVar

import anyio
from anyio import from_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import EventLoopToken, current_token

T = TypeVar("T")


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


async def call_in_daemon_thread(
    function: Callable[[], T],
    *,
    name: str,
    ended: Callable[[], None] = lambda: None,
) -> T:
    """Returns the function's value, or raises what it raised.

    A cancelled call returns at once, while its thread goes on; `ended` is called in the event loop
    when the thread has really ended. The thread does not keep the program from ending, as anyio's
    own worker threads would. Raises RuntimeError if the system has no more threads.
    """
    job = _Job(function, ended, current_token())
    try:
        threading.Thread(target=job.run, name=name, daemon=True).start()
    except RuntimeError:
        ended()
        raise
    await job.done.wait()
    if job.error is not None:
        raise job.error
    return job.value


class _Job(Generic[T]):
    """One call in a daemon thread."""

    value: T

    def __init__(
        self, function: Callable[[], T], ended: Callable[[], None], token: EventLoopToken
    ) -> None:
        self.done = anyio.Event()
        self.error: BaseException | None = None
        self._function = function
        self._ended = ended
        self._token = token
        self._context = contextvars.copy_context()

    def run(self) -> None:
        """Runs in the thread."""
        try:
            self.value = self._context.run(self._function)
        except BaseException as error:  # noqa: BLE001 - raised again for the caller
            self.error = error
        with suppress(RuntimeError):  # the event loop is gone, and with it whoever waited
            from_thread.run_sync(self._end, token=self._token)

    def _end(self) -> None:
        self.done.set()
        self._ended()
