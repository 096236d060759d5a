"""The one bridge from blocking work to the event loop.

A model, a recognizer or a synthesizer is written as a plain generator. Here each of its steps runs
in a worker thread, when the reader asks for the next item and not before: a slow reader holds no
thread, and nothing piles up.

A thread can't be interrupted. One that goes on although its reader has left is abandoned after a
grace period, so that a turn ends in time whatever its engine does. An abandoned thread keeps its
place until it ends, so their number is bounded; if they hold all places, the next step is refused.
"""

from __future__ import annotations

import math
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from typing import Generic, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio import from_thread

from assistant.errors import EngineError

T = TypeVar("T")

Work = Callable[[threading.Event], Generator[T, None, None]]
"""Makes the generator; it looks at the event now and then and returns early once it is set."""

GRACE_S = 5.0
"""Seconds that a step may go on after its reader has left."""


class WorkerThreads:
    """Runs blocking generators, at most `limit` steps at the same time in one event loop."""

    def __init__(self, limit: int, *, grace_s: float = GRACE_S) -> None:
        self._limit = limit
        self._grace_s = grace_s
        # A limiter belongs to one event loop; an engine may be used from several, one by one.
        self._places: anyio.lowlevel.RunVar[_Places] = anyio.lowlevel.RunVar(
            f"worker threads {id(self)}"
        )

    async def stream(self, work: Work[T]) -> AsyncGenerator[T, None]:
        """Yields the items of the generator that `work` returns; raises its exceptions.

        When the reader is cancelled or closes this generator, the stop event is set, and the step
        that runs is waited for, but no longer than the grace period. Then the blocking generator is
        closed: here, or by the abandoned thread when its step ends. Raises EngineError if abandoned
        threads hold all places.
        """
        stop = threading.Event()
        steps = work(stop)
        places = self._places_here()
        step: _Step[T] | None = None
        try:
            while True:
                step = _Step(steps, places)
                await step.run(stop, self._grace_s)
                if step.ended:
                    return
                yield step.item
        finally:
            stop.set()
            if step is None or not step.abandoned:
                await self._close(steps)

    async def _close(self, steps: Generator[T, None, None]) -> None:
        with anyio.move_on_after(self._grace_s, shield=True):
            # Not limited: closing must not wait for other conversations' work.
            await anyio.to_thread.run_sync(
                steps.close, limiter=anyio.CapacityLimiter(1), abandon_on_cancel=True
            )

    def _places_here(self) -> _Places:
        try:
            return self._places.get()
        except LookupError:
            places = _Places(self._limit)
            self._places.set(places)
            return places


class _Places:
    """The places of threads in one event loop, and how many of them abandoned threads hold."""

    def __init__(self, limit: int) -> None:
        self.free = anyio.CapacityLimiter(limit)
        self.unlimited = anyio.CapacityLimiter(math.inf)  # `free` has counted the thread
        self.token = anyio.lowlevel.current_token()
        self.abandoned = 0

    async def take(self, holder: object) -> None:
        """Waits for a place. Raises EngineError if abandoned threads hold all of them."""
        if self.abandoned >= self.free.total_tokens:
            raise EngineError("the engine is stuck: none of its threads responds")
        await self.free.acquire_on_behalf_of(holder)

    def give_back(self, holder: object) -> None:
        """Frees the place of a thread that was abandoned and has ended."""
        self.abandoned -= 1
        self.free.release_on_behalf_of(holder)


class _Step(Generic[T]):
    """One `next()` of a generator, in a worker thread."""

    item: T

    def __init__(self, steps: Generator[T, None, None], places: _Places) -> None:
        self._steps = steps
        self._places = places
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._finished = False
        self.ended = False
        self.abandoned = False

    async def run(self, stop: threading.Event, grace_s: float) -> None:
        """Runs the step. If it is cancelled, `stop` is set, and the thread has `grace_s` left."""
        await self._places.take(self)
        try:
            await self._in_thread(stop, grace_s)
        finally:
            if not self.abandoned:
                self._places.free.release_on_behalf_of(self)
        if self._error is not None:
            raise self._error

    async def _in_thread(self, stop: threading.Event, grace_s: float) -> None:
        done = anyio.Event()
        waiting = anyio.CancelScope(shield=True)

        async def wait() -> None:
            with waiting:
                await anyio.to_thread.run_sync(
                    self._next, limiter=self._places.unlimited, abandon_on_cancel=True
                )
            self._abandon_unless_finished()
            done.set()

        # A second task waits for the thread while this one can be cancelled, and then bounds the
        # wait; leaving the group waits for that task.
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            try:
                await done.wait()
            finally:
                if not done.is_set():
                    stop.set()
                    waiting.deadline = anyio.current_time() + grace_s

    def _abandon_unless_finished(self) -> None:
        with self._lock:
            self.abandoned = not self._finished
            self._places.abandoned += self.abandoned

    def _next(self) -> None:
        try:
            self.item = next(self._steps)
        except StopIteration:
            self.ended = True
        except BaseException as error:  # noqa: BLE001 - passed to the reader, which raises it
            self._error = error
        with self._lock:
            self._finished = True
            abandoned = self.abandoned
        if abandoned:
            self._clean_up()

    def _clean_up(self) -> None:
        """Closes the generator and frees the place, in the thread that nobody waits for."""
        try:
            self._steps.close()
        finally:
            with suppress(RuntimeError):  # the event loop has ended
                from_thread.run_sync(self._places.give_back, self, token=self._places.token)
