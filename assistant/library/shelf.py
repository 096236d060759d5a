"""Keeps an index in step with the clips that are there, in memory and on disk."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from assistant.errors import LibraryError
from assistant.library.embedding import Embedder
from assistant.library.files import locked, state_folder
from assistant.library.index import KEY_BYTES, VectorIndex
from assistant.library.index_files import load_index, save_index
from assistant.library.progress import progress_bar

T = TypeVar("T")
_BATCH = 1_000
_MOST_DEAD_SHARE = 0.25
_log = logging.getLogger(__name__)


def key_of(*parts: str) -> bytes:
    """The name of a row: of the voice, and of the content that was embedded."""
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=KEY_BYTES).digest()


class Shelf(Generic[T]):
    """One kind of vectors (of texts, of sounds) of a library.

    A row is known by a key of its content: what changed has another key, is embedded anew, and
    the old row counts as dead until there are enough of them to be worth a new index.
    """

    def __init__(self, name: str, embedder: Embedder[T], folder: Path) -> None:
        self.embedder = embedder
        self._name = name
        self._folder = folder
        self._lock = threading.Lock()
        self._index: VectorIndex | None = None

    def index_of(self, wanted: Mapping[bytes, Callable[[], T]]) -> VectorIndex:
        """An index that has all `wanted` keys; the contents of missing ones are fetched.

        It may hold dead keys besides. Safe to call from many threads.
        """
        with self._lock:
            before = self._load() if self._index is None else self._index
            after = self._with_missing(before, wanted)
            dead = len(after) - len(wanted)
            if dead > max(16, _MOST_DEAD_SHARE * len(wanted)):
                with progress_bar("Indexing voices") as bar:
                    after = after.only(frozenset(wanted), bar.update)
            self._index = after
            if after is not before:
                self._save(after)
            return after

    def _with_missing(
        self, index: VectorIndex, wanted: Mapping[bytes, Callable[[], T]]
    ) -> VectorIndex:
        missing = [key for key in wanted if key not in index.keys]
        if not missing:
            return index
        with progress_bar("Indexing voices") as bar:
            vectors = []
            for start in range(0, len(missing), _BATCH):
                bar.update(start, len(missing))
                batch = missing[start : start + _BATCH]
                vectors.append(self.embedder.embed(_fetched(batch, wanted)))
            return index.with_rows(missing, np.vstack(vectors), bar.update)

    def _load(self) -> VectorIndex:
        found = load_index(state_folder(self._folder), self._name, self.embedder)
        return VectorIndex.empty(self.embedder.dim) if found is None else found

    def _save(self, index: VectorIndex) -> None:
        """Only a saving of time for the next start: failing at it harms nothing."""
        if not self._folder.is_dir():  # made by the first `add`
            return
        try:
            with locked(self._folder, timeout_s=5.0):
                save_index(index, state_folder(self._folder), self._name, self.embedder)
        except LibraryError as error:
            _log.warning("the voice index is not saved: %s", error)


def _fetched(keys: Sequence[bytes], wanted: Mapping[bytes, Callable[[], T]]) -> list[T]:
    return [wanted[key]() for key in keys]
