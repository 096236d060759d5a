"""Files that are never half written, and a lock that processes share."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from assistant.errors import LibraryError

LOCK_TIMEOUT_S = 60.0
Stamp = tuple[int, int, int]
_STATE_FOLDER = "index"


def state_folder(folder: Path) -> Path:
    """Returns the folder of a library's index and caches, all of which can be built again."""
    return folder / _STATE_FOLDER


def write_atomic(path: Path, content: bytes) -> None:
    """The file has the old content or the new one, whatever happens in between.

    Raises LibraryError when it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise LibraryError(f"{path}: can't be written: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """The rename itself outlives a power cut only once the folder is on the disk."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def locked(folder: Path, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """One writer at a time, over all processes. A killed process leaves no lock behind.

    Raises LibraryError when another process holds the lock all that time, or the folder can't be
    written to.
    """
    try:
        state_folder(folder).mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(state_folder(folder) / "lock", timeout=timeout_s):
            yield
    except filelock.Timeout:
        raise LibraryError(
            f"{folder}: another process is writing to this voice library", hint="try again later"
        ) from None
    except OSError as error:
        raise LibraryError(
            f"{folder}: can't be written to: {error.strerror or error}",
            hint="choose another folder with --library or in the settings, library.folder",
        ) from error


def stamp_of(path: Path) -> Stamp | None:
    """Returns a value that changes whenever the file does; None if there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


OnProgress = Callable[[str, int, int], None]
"""Called with what is done (for people), how many items are done, and how many there are."""


def no_progress(title: str, done: int, total: int) -> None:
    """Reports nothing."""
