"""Concurrent jobs of one shape run in one batch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from assistant.engines.token2wav.batcher import Batcher


@dataclass(frozen=True)
class Double:
    value: int
    shape: str = "a"


class Worker:
    """Doubles its inputs, and records each batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, jobs: Sequence[Double]) -> list[int]:
        self.batches.append([job.value for job in jobs])
        if any(job.value < 0 for job in jobs):
            raise ValueError("negative")
        return [2 * job.value for job in jobs]


def test_jobs_of_one_shape_run_in_one_batch() -> None:
    worker = Worker()
    assert Batcher(worker).run_all([Double(1), Double(2), Double(3)]) == [2, 4, 6]
    assert worker.batches == [[1, 2, 3]]


def test_jobs_of_other_shapes_run_later_and_results_keep_their_order() -> None:
    worker = Worker()
    jobs = [Double(1), Double(2, "b"), Double(3), Double(4, "b")]
    assert Batcher(worker).run_all(jobs) == [2, 4, 6, 8]
    assert worker.batches == [[1, 3], [2, 4]]


def test_a_batch_is_never_larger_than_allowed() -> None:
    worker = Worker()
    Batcher(worker, at_most=2).run_all([Double(n) for n in range(5)])
    assert worker.batches == [[0, 1], [2, 3], [4]]


def test_an_error_reaches_its_caller_and_the_next_job_runs() -> None:
    batch = Batcher(Worker())
    with pytest.raises(ValueError, match="negative"):
        batch.run_all([Double(1), Double(-1)])
    assert batch.run(Double(4)) == 8


def test_a_job_that_waits_during_another_one_runs_after_it() -> None:
    started, go_on, results = threading.Event(), threading.Event(), {}

    def work(jobs: Sequence[Double]) -> list[int]:
        started.set()
        assert go_on.wait(30)
        return [2 * job.value for job in jobs]

    batch = Batcher(work)

    def ask(value: int) -> None:
        results[value] = batch.run(Double(value))

    threads = [threading.Thread(target=ask, args=(value,)) for value in range(4)]
    threads[0].start()
    assert started.wait(30)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert results == {0: 0, 1: 2, 2: 4, 3: 6}
