"""Recordings of a step: their inputs, the cached shapes, and failures."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engines.nn.cuda_graphs import Captured, CudaGraphs, Graphs, Recordings, power_of_two
from tests.engines.recorder import Recorder


def mixed(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return x * 2 + y.sum(1, keepdim=True), y.int()


def captured(graphs: Graphs, **options: Any) -> tuple[Captured, Recordings]:
    recordings = Recordings("a test", graphs, **options)
    return Captured(mixed, recordings), recordings


def pair(rows: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, width, generator=generator),
        torch.randn(rows, 3, generator=generator) * 9,
    )


@settings(max_examples=30, deadline=None)
@given(shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), max_size=25))
def test_replayed_results_equal_those_of_the_function(shapes: list[tuple[int, int]]) -> None:
    recorder = Recorder()
    function, recordings = captured(recorder, at_most=4, worth=2)
    for seed, (rows, width) in enumerate(shapes):
        inputs = pair(rows, width, seed)
        for actual, expected in zip(function(*inputs), mixed(*inputs), strict=True):
            assert torch.equal(actual, expected)
    asked = [(power_of_two(rows), width) for rows, width in shapes]
    assert recorder.replays >= sum(asked.count(shape) > 1 for shape in set(asked))
    assert len(recordings.shapes) <= 4
    assert not recordings.failed


def test_a_result_is_not_overwritten_by_the_next_replay() -> None:
    function, _ = captured(Recorder(), worth=1)
    inputs = pair(2, 4, 0)
    first = function(*inputs)
    function(*pair(2, 4, 1))
    assert torch.equal(first[0], mixed(*inputs)[0])


def test_a_shape_is_recorded_only_after_enough_calls() -> None:
    recorder = Recorder()
    function, _ = captured(recorder, worth=3)
    counts = []
    for seed in range(5):
        function(*pair(1, 2, seed))
        counts.append((recorder.records, recorder.replays))
    assert counts == [(0, 0), (0, 0), (1, 1), (1, 2), (1, 3)]


def test_batches_of_similar_size_share_a_recording() -> None:
    recorder = Recorder()
    function, _ = captured(recorder, worth=1)
    for rows in (3, 4, 3, 1, 2):
        function(*pair(rows, 2, rows))
    assert recorder.records == 3  # for 4, 1 and 2 rows
    assert recorder.replays == 5


def test_the_least_recently_used_shape_is_evicted() -> None:
    recorder = Recorder()
    function, recordings = captured(recorder, at_most=2, worth=1)
    for width in (1, 2, 1, 3, 1):
        function(*pair(1, width, 0))
    assert [shape[0] for shape in recordings.shapes] == [(1, 3), (1, 1)]
    assert recorder.records == 3
    function(*pair(1, 2, 0))
    assert recorder.records == 4


def test_recordings_stay_within_their_bytes_and_one_that_never_fits_is_not_recorded() -> None:
    recorder = Recorder()
    function, recordings = captured(recorder, most_bytes=1000, worth=1)
    for width in (20, 30, 40, 50, 60):
        inputs = pair(1, width, width)
        assert torch.equal(function(*inputs)[0], mixed(*inputs)[0])
        assert recordings.nbytes <= 1000
    assert recorder.records == 5
    assert 1 <= len(recordings.shapes) < 5
    inputs = pair(1, 1000, 0)
    assert torch.equal(function(*inputs)[0], mixed(*inputs)[0])
    assert recorder.records == 5
    assert not recordings.failed


def test_memory_shared_by_recordings_counts_once() -> None:
    recordings, place = Recordings("a test", Recorder(), worth=1), torch.zeros(100)
    for size in (10, 20, 100):
        recordings.find(size, lambda size=size: ((place[:size],), lambda: (place[:1],)))
    assert recordings.nbytes == place.nbytes


@pytest.mark.parametrize("fault", [{"fails_to_record": True}, {"fails_at_replay": 1}])
def test_if_recording_fails_the_work_runs_unrecorded_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    recorder = Recorder(**fault)
    function, recordings = captured(recorder, worth=1)
    for seed in range(6):
        inputs = pair(2, 2 + seed % 2, seed)
        for actual, expected in zip(function(*inputs), mixed(*inputs), strict=True):
            assert torch.equal(actual, expected)
    assert recordings.failed
    assert recordings.shapes == []
    assert recorder.replays == fault.get("fails_at_replay", 0)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("a test: no CUDA graphs from here on, only slower: ")
    assert "\n" not in record.message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_work_runs_without_graphs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    function, recordings = captured(CudaGraphs(torch.device("cuda")), worth=1)
    inputs = pair(1, 2, 0)
    assert torch.equal(function(*inputs)[0], mixed(*inputs)[0])
    assert recordings.failed
    assert len(caplog.records) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_a_graph_returns_what_the_function_returns() -> None:
    function, recordings = captured(CudaGraphs(torch.device("cuda")), worth=1)
    for seed in range(4):
        inputs = [x.cuda() for x in pair(3, 2, seed)]
        for actual, expected in zip(function(*inputs), mixed(*inputs), strict=True):
            assert torch.equal(actual, expected)
    assert len(recordings.shapes) == 1
