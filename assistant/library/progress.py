"""A progress bar on stderr, for what takes longer than a moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
_PATIENCE_S = 1.0


class Bar:
    """Shows itself once the work has taken a second; call `update` from one thread only."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._progress: object = None
        self._task: object = None

    def update(self, done: int, total: int) -> None:
        if self._progress is None and time.monotonic() - self._start < _PATIENCE_S:
            return
        from rich.console import Console
        from rich.progress import Progress, TaskID

        if not isinstance(self._progress, Progress):
            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(self._title, total=total)
            self._progress.start()
        assert isinstance(self._task, int)
        self._progress.update(TaskID(self._task), completed=done, total=total)

    def close(self) -> None:
        from rich.progress import Progress

        if isinstance(self._progress, Progress):
            self._progress.stop()


@contextmanager
def progress_bar(title: str) -> Iterator[Bar]:
    bar = Bar(title)
    try:
        yield bar
    finally:
        bar.close()


def tracked(items: Sequence[T], title: str) -> Iterator[T]:
    """The items one by one, with a bar of how many are done."""
    with progress_bar(title) as bar:
        for done, item in enumerate(items):
            bar.update(done, len(items))
            yield item
