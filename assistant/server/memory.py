"""Load shedding by memory: what would need more memory is refused before the kernel kills.

`free_memory` is the least of what the machine and the control groups of this process leave: the
kernel's estimate in /proc/meminfo, and limit minus use in cgroup v1 and v2, where file pages that
can be dropped count as free.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from assistant.server.http.errors import unavailable

READ_EVERY_S = 0.25
RETRY_AFTER_S = 5.0


class MemoryGuard:
    """Refuses work while less than `min_free_bytes` of memory is free; 0 never refuses.

    `read` returns the free memory in bytes, or None if it is not known on this system; it is called
    at most every 0.25 seconds.
    """

    def __init__(
        self,
        min_free_bytes: int,
        *,
        read: Callable[[], int | None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._min_free_bytes = min_free_bytes
        self._read = read or free_memory
        self._now = now
        self._read_at = float("-inf")
        self._free: int | None = None
        self.refused = 0
        """The number of requests, WebSockets and turns that were refused."""

    @property
    def free(self) -> int | None:
        """The free memory in bytes as last read, or None if it is not known."""
        now = self._now()
        if now - self._read_at >= READ_EVERY_S:
            self._free, self._read_at = self._read(), now
        return self._free

    def check(self) -> None:
        """Raises ApiError 503 if too little memory is free."""
        if not self._min_free_bytes:
            return
        free = self.free
        if free is not None and free < self._min_free_bytes:
            self.refused += 1
            raise unavailable("the server is short of memory", retry_after_s=RETRY_AFTER_S)


def free_memory(root: Path = Path("/")) -> int | None:
    """Returns the memory that this process may still take, in bytes; None if it is not known.

    `root` is the directory that holds /proc and /sys.
    """
    known = [_machine(root), *_groups(root)]
    return min((size for size in known if size is not None), default=None)


def _machine(root: Path) -> int | None:
    kilobytes = _field(root / "proc/meminfo", "MemAvailable:")
    return None if kilobytes is None else kilobytes * 1_024


def _groups(root: Path) -> Iterator[int | None]:
    """Yields what each control group of this process leaves, and each group around it."""
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        for group in _around(name):
            folder = base / controllers / group
            if controllers:
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                names = ("memory.max", "memory.current", "inactive_file")
            yield _left(folder, *names)


def _around(name: str) -> Iterator[str]:
    path = PurePosixPath(name.lstrip("/"))
    yield str(path)
    yield from map(str, path.parents)


def _left(folder: Path, limit: str, use: str, droppable: str) -> int | None:
    limit_bytes, used = _number(folder / limit), _number(folder / use)
    if limit_bytes is None or used is None:
        return None
    return max(limit_bytes - used + (_field(folder / "memory.stat", droppable) or 0), 0)


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None  # "max" is no limit


def _field(path: Path, name: str) -> int | None:
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == name:
            return int(words[1])
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
