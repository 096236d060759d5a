"""A progress bar on stderr, for what takes longer than a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID

PATIENCE_S = 1.0
"""Work that is done sooner shows no bar, in seconds."""


@contextmanager
def progress_bar(patience_s: float = PATIENCE_S) -> Iterator[Callable[[str, int, int], None]]:
    """Yields an `on_progress` for VoiceLibrary: (title, items done, items in all)."""
    progress = Progress(console=Console(stderr=True), transient=True)
    tasks: dict[str, TaskID] = {}
    start = time.monotonic()

    def on_progress(title: str, done: int, total: int) -> None:
        if time.monotonic() - start < patience_s:
            return
        if title not in tasks:
            progress.start()
            tasks[title] = progress.add_task(title, total=total)
        progress.update(tasks[title], completed=done, total=total)

    try:
        yield on_progress
    finally:
        progress.stop()
