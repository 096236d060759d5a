"""Dynamic batching: threads that want the same work at the same time do it together.

The first thread works; others wait in line meanwhile, and the next one in line does the work of all
that wait, in one pass for jobs of equal shape. No job waits for a fuller batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar


class Job(Protocol):
    @property
    def shape(self) -> Hashable:
        """Jobs of equal shape can be run together."""
        ...


J = TypeVar("J", bound=Job)
R = TypeVar("R")


class _Ticket(Generic[J, R]):
    def __init__(self, job: J) -> None:
        self.job = job
        self.result: list[R] = []  # one result, once the job is done
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return bool(self.result) or self.error is not None


class Batcher(Generic[J, R]):
    """`work` gets jobs of one shape and returns as many results. Its errors reach those jobs."""

    def __init__(self, work: Callable[[Sequence[J]], Sequence[R]], *, at_most: int = 16) -> None:
        self._work = work
        self._at_most = at_most
        self._line: list[_Ticket[J, R]] = []
        self._line_lock = threading.Lock()
        self._working = threading.Lock()

    def run(self, job: J) -> R:
        return self.run_all([job])[0]

    def run_all(self, jobs: Sequence[J]) -> list[R]:
        tickets = [_Ticket[J, R](job) for job in jobs]
        with self._line_lock:
            self._line += tickets
        while not all(ticket.done for ticket in tickets):
            with self._working:
                # The thread that worked before may have run this thread's jobs as well.
                if not all(ticket.done for ticket in tickets):
                    self._serve(self._next())
        for ticket in tickets:
            if ticket.error is not None:
                raise ticket.error
        return [ticket.result[0] for ticket in tickets]

    def _next(self) -> list[_Ticket[J, R]]:
        """Takes the first in line out of it, with those that fit."""
        with self._line_lock:
            shape = self._line[0].job.shape
            fitting = [ticket for ticket in self._line if ticket.job.shape == shape]
            batch = fitting[: self._at_most]
            self._line = [ticket for ticket in self._line if ticket not in batch]
        return batch

    def _serve(self, tickets: list[_Ticket[J, R]]) -> None:
        try:
            results = self._work([ticket.job for ticket in tickets])
        except BaseException as error:
            for ticket in tickets:
                ticket.error = error
            if not isinstance(error, Exception):
                raise  # an interrupt is this thread's own as well
            return
        for ticket, result in zip(tickets, results, strict=True):
            ticket.result.append(result)
