"""CUDA graphs are recorded by PyTorch's own code, over a simulated driver."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from assistant.engines.nn.cuda_graphs import CudaGraphs, Recordings

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")

GPU = torch.device("cuda:0")


class Stream:
    device = GPU

    def __init__(self, *_: Any) -> None:
        self.waited_for: list[Stream] = []

    def wait_stream(self, other: Stream) -> None:
        self.waited_for.append(other)


class Driver:
    """The stream of this thread, and what was recorded into which pool on which stream."""

    def __init__(self) -> None:
        self.default = self.current = Stream()
        self.fails_at = ""
        self.recorded: list[tuple[Any, Stream]] = []

    def set_stream(self, stream: Stream) -> None:
        self.current = stream

    def check(self, what: str) -> None:
        if self.fails_at == what:
            raise RuntimeError(f"{what}: operation failed due to a previous error during capture")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()

    class Graph:
        def capture_begin(self, pool: Any, **options: Any) -> None:
            driver.check("capture_begin")
            assert options["capture_error_mode"] == "thread_local"
            driver.recorded.append((pool, driver.current))

        def capture_end(self) -> None:
            driver.check("capture_end")

        def replay(self) -> None:
            pass

    doubles: dict[str, Any] = {
        "CUDAGraph": Graph,
        "Stream": Stream,
        "current_device": lambda: 0,
        "current_stream": lambda device=None: driver.current,
        "device": nullcontext,
        "empty_cache": lambda: None,
        "graph_pool_handle": object,
        "is_available": lambda: True,
        "set_stream": driver.set_stream,
        "synchronize": lambda device=None: None,
    }
    for name, double in doubles.items():
        monkeypatch.setattr(torch.cuda, name, double)
    monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: None, raising=False)
    return driver


def find(recordings: Recordings, shape: int, see: Callable[[], Any] = lambda: None) -> Any:
    def work() -> tuple[torch.Tensor, ...]:
        see()
        return (torch.zeros(shape),)

    return recordings.find(shape, lambda: ((torch.zeros(shape),), work))


def test_all_recordings_share_one_pool_on_one_stream(driver: Driver) -> None:
    """PyTorch shares the memory of a pool only within a stream."""
    recordings = Recordings("a test", CudaGraphs(GPU), worth=1)
    assert all(find(recordings, shape) for shape in (1, 2, 3))
    assert len(driver.recorded) == 3
    assert len(set(driver.recorded)) == 1


def test_work_is_warmed_up_and_recorded_on_a_stream_of_its_own(driver: Driver) -> None:
    seen: list[Stream] = []
    recordings = Recordings("a test", CudaGraphs(GPU), worth=1)
    find(recordings, 1, lambda: seen.append(driver.current))
    (side,) = set(seen)
    assert len(seen) == 4
    assert side is not driver.default
    assert side.waited_for == [driver.default]
    assert driver.default.waited_for == [side]
    assert driver.current is driver.default


@pytest.mark.parametrize("fails_at", ["capture_begin", "work", "capture_end"])
def test_the_thread_works_on_its_own_stream_again_after_a_failed_recording(
    driver: Driver, fails_at: str, caplog: pytest.LogCaptureFixture
) -> None:
    """PyTorch leaves the recording's stream active if a recording can't begin or end."""
    driver.fails_at = fails_at
    recordings = Recordings("a test", CudaGraphs(GPU), worth=1)
    assert find(recordings, 1, lambda: driver.check("work")) is None
    assert driver.current is driver.default
    assert recordings.failed
    assert len(caplog.records) == 1
