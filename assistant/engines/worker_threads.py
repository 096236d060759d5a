"""The one bridge from blocking work to the event loop.

A model, a recognizer or a synthesizer is written as a plain generator. Here each of its steps runs
in a worker thread, when the reader asks for the next item and not before: a slow reader holds no
thread, and nothing piles up.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Generic, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

T = TypeVar("T")

Work = Callable[[threading.Event], Generator[T, None, None]]
"""Makes the generator; it looks at the event now and then and returns early once it is set."""


class WorkerThreads:
    """Runs blocking generators, at most `limit` steps at the same time in one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # A limiter belongs to one event loop; an engine may be used from several, one by one.
        self._limiters: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar(
            f"worker threads {id(self)}"
        )

    async def stream(self, work: Work[T]) -> AsyncGenerator[T, None]:
        """Yields the items of the generator that `work` returns; raises its exceptions.

        When the reader is cancelled or closes this generator, the stop event is set; the running
        step is waited for, and the blocking generator is closed before control returns, so that
        nothing runs on in the background.
        """
        stop = threading.Event()
        steps = work(stop)
        try:
            while True:
                step = _Step(steps)
                await step.run(stop, self._limiter())
                if step.ended:
                    return
                yield step.item
        finally:
            stop.set()
            with anyio.CancelScope(shield=True):
                # Its own limiter: closing must not wait for other conversations' work.
                await anyio.to_thread.run_sync(steps.close, limiter=anyio.CapacityLimiter(1))

    def _limiter(self) -> anyio.CapacityLimiter:
        try:
            return self._limiters.get()
        except LookupError:
            limiter = anyio.CapacityLimiter(self._limit)
            self._limiters.set(limiter)
            return limiter


class _Step(Generic[T]):
    """One `next()` of a generator, in a worker thread."""

    item: T

    def __init__(self, steps: Generator[T, None, None]) -> None:
        self._steps = steps
        self._error: BaseException | None = None
        self.ended = False

    async def run(self, stop: threading.Event, limiter: anyio.CapacityLimiter) -> None:
        done = anyio.Event()

        async def run() -> None:
            await anyio.to_thread.run_sync(self._next, limiter=limiter)
            done.set()

        # A thread can't be interrupted. So a second task waits for it while this one can be
        # cancelled, and tells the thread to stop; leaving the group waits for the thread.
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            try:
                await done.wait()
            finally:
                if not done.is_set():
                    stop.set()
        if self._error is not None:
            raise self._error

    def _next(self) -> None:
        try:
            self.item = next(self._steps)
        except StopIteration:
            self.ended = True
        except BaseException as error:  # noqa: BLE001 - passed to the reader, which raises it
            self._error = error
