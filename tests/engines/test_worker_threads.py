"""Blocking generators read from an event loop, under asyncio and trio."""

from __future__ import annotations

import threading
from collections.abc import Generator

import anyio
import anyio.lowlevel
import pytest

from assistant.engines.worker_threads import WorkerThreads
from assistant.errors import EngineError

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Work:
    """Yields 0, 1, 2, ...; counts its steps and its end."""

    def __init__(self, count: int = 3, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.started = 0
        self.closed = threading.Event()
        self.threads: set[int] = set()

    def __call__(self, stop: threading.Event) -> Generator[int, None, None]:
        self.stop = stop
        try:
            for number in range(self.count):
                self.started += 1
                self.threads.add(threading.get_ident())
                yield number
            if self.error:
                raise self.error
        finally:
            self.closed.set()


class Blocked:
    """Blocks in its first step until it is stopped, then takes one more action."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.closed = threading.Event()

    def __call__(self, stop: threading.Event) -> Generator[int, None, None]:
        try:
            self.running.set()
            assert stop.wait(timeout=30)
            yield 1
        finally:
            self.closed.set()


async def wait_for(event: threading.Event) -> None:
    await anyio.to_thread.run_sync(event.wait, 30)
    assert event.is_set()


async def test_the_items_come_in_order_from_another_thread() -> None:
    work = Work(5)
    assert [item async for item in WorkerThreads(1).stream(work)] == [0, 1, 2, 3, 4]
    assert threading.get_ident() not in work.threads
    assert work.closed.is_set()


async def test_nothing_is_generated_before_the_reader_asks_for_it() -> None:
    work = Work(5)
    stream = WorkerThreads(1).stream(work)
    assert [await anext(stream), await anext(stream)] == [0, 1]
    await anyio.lowlevel.checkpoint()
    assert work.started == 2
    await stream.aclose()


async def test_an_exception_reaches_the_reader_after_the_items_before_it() -> None:
    stream = WorkerThreads(1).stream(Work(1, ValueError("broken")))
    assert await anext(stream) == 0
    with pytest.raises(ValueError, match="broken"):
        await anext(stream)


async def test_closing_early_stops_and_closes_the_generator() -> None:
    work = Work(5)
    stream = WorkerThreads(1).stream(work)
    await anext(stream)
    await stream.aclose()
    assert work.stop.is_set()
    assert work.closed.is_set()


async def test_cancelling_stops_a_blocked_step_and_waits_for_its_end() -> None:
    work = Blocked()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def read() -> None:
                async for _ in WorkerThreads(1).stream(work):
                    pytest.fail("a cancelled step must give nothing")

            group.start_soon(read)
            await wait_for(work.running)
            scope.cancel()
    assert work.closed.is_set()


async def test_a_reader_that_waits_for_a_thread_can_be_cancelled() -> None:
    threads, first, second = WorkerThreads(1), Blocked(), Work()
    async with anyio.create_task_group() as group:

        async def read_first() -> None:
            async for _ in threads.stream(first):
                pass

        group.start_soon(read_first)
        await wait_for(first.running)
        with anyio.move_on_after(0.01) as scope:
            async for _ in threads.stream(second):
                pytest.fail("there is no free thread")
        assert scope.cancelled_caught
        assert second.started == 0
        group.cancel_scope.cancel()


async def test_a_slow_reader_occupies_no_thread() -> None:
    threads = WorkerThreads(1)
    slow = threads.stream(Work())
    await anext(slow)
    assert [item async for item in threads.stream(Work(2))] == [0, 1]
    assert [item async for item in slow] == [1, 2]


async def test_many_streams_share_few_threads() -> None:
    threads, seen = WorkerThreads(2), []

    async def read() -> None:
        seen.extend([item async for item in threads.stream(Work(3))])

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(read)
    assert sorted(seen) == sorted([0, 1, 2] * 20)


def test_one_object_serves_several_event_loops_one_after_the_other() -> None:
    threads = WorkerThreads(1)

    async def read() -> list[int]:
        return [item async for item in threads.stream(Work(2))]

    for backend in ("asyncio", "trio", "asyncio"):
        assert anyio.run(read, backend=backend) == [0, 1]


test_one_object_serves_several_event_loops_one_after_the_other.pytestmark = []  # type: ignore[attr-defined]


class Deaf:
    """Blocks in its first step until it is let go, whatever the stop event says."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.let_go = threading.Event()
        self.closed = threading.Event()

    def __call__(self, stop: threading.Event) -> Generator[int, None, None]:
        try:
            self.running.set()
            assert self.let_go.wait(timeout=30)
            yield 1
        finally:
            self.closed.set()


async def abandon(threads: WorkerThreads, work: Deaf) -> None:
    """Cancels the reader of a step that does not end."""
    async with anyio.create_task_group() as group:

        async def read() -> None:
            async for _ in threads.stream(work):
                pytest.fail("an abandoned step must give nothing")

        group.start_soon(read)
        await wait_for(work.running)
        group.cancel_scope.cancel()


async def test_a_step_that_does_not_end_is_abandoned_after_the_grace_period() -> None:
    threads, work = WorkerThreads(1, grace_s=0.05), Deaf()
    await abandon(threads, work)
    assert not work.closed.is_set()
    work.let_go.set()
    await wait_for(work.closed)


async def test_abandoned_threads_that_hold_all_places_refuse_the_next_step() -> None:
    threads, stuck = WorkerThreads(2, grace_s=0.05), [Deaf(), Deaf()]
    await abandon(threads, stuck[0])
    assert [item async for item in threads.stream(Work(2))] == [0, 1]
    await abandon(threads, stuck[1])
    with pytest.raises(EngineError, match="stuck"):
        await anext(threads.stream(Work()))
    stuck[0].let_go.set()
    await wait_for(stuck[0].closed)
    while True:  # the place is free once the event loop knows of it
        try:
            assert [item async for item in threads.stream(Work(2))] == [0, 1]
            break
        except EngineError:
            await anyio.lowlevel.checkpoint()
    stuck[1].let_go.set()
