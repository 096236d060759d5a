"""An embedding index that stays in step with the clips, in memory and on disk."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from assistant.audio.samples import Float32
from assistant.errors import LibraryError
from assistant.library.embedding import Embedder
from assistant.library.files import OnProgress, locked, no_progress, state_folder
from assistant.library.index import KEY_BYTES, VectorIndex, load_index, save_index

T = TypeVar("T")
_BATCH = 1_000
_MOST_DEAD_SHARE = 0.25
_KEEP_EVERY_S = 60.0
logger = logging.getLogger(__name__)


def key_of(*parts: str) -> bytes:
    """The name of a row: of the voice, and of the content that was embedded."""
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=KEY_BYTES).digest()


class EmbeddingIndex(Generic[T]):
    """The vectors of one kind of content (texts, audio) of a library.

    A row has a key of its content: content that changed has another key and is embedded again, and
    the old row is dead until enough dead rows are worth a new index.

    Each embedder has files of its own, which are still valid if it is used again later.
    """

    def __init__(
        self,
        name: str,
        embedder: Embedder[T],
        folder: Path,
        *,
        batch: int = _BATCH,
        on_progress: OnProgress = no_progress,
    ) -> None:
        """`batch`: how many contents may be in memory at the same time."""
        self.embedder = embedder
        self._name = f"{name}.{embedder.name}"
        self._folder = folder
        self._batch = batch
        self._on_progress = partial(on_progress, "Indexing voices")
        self._lock = threading.Lock()
        self._index: VectorIndex | None = None

    def index_of(self, wanted: Mapping[bytes, Callable[[], T]]) -> VectorIndex:
        """An index that has all `wanted` keys; the contents of missing ones are fetched.

        It may hold dead keys besides. Safe to call from many threads.
        """
        with self._lock:
            if self._index is None:
                self._index = self._load()
            index = self._with_missing(self._index, wanted)
            dead = len(index) - len(wanted)
            if dead > max(16, _MOST_DEAD_SHARE * len(wanted)):
                index = index.only(frozenset(wanted), self._on_progress)
                self._keep(index)
            return index

    def _with_missing(
        self, index: VectorIndex, wanted: Mapping[bytes, Callable[[], T]]
    ) -> VectorIndex:
        """Returns the index with the missing rows. Saves now and then, and if an error or Ctrl-C
        ends it.
        """
        missing = [key for key in wanted if key not in index.keys]
        if not missing:
            return index
        growing = _Growing(index, self._on_progress)
        try:
            for start in range(0, len(missing), self._batch):
                self._on_progress(start, len(missing))
                batch = missing[start : start + self._batch]
                growing.add(batch, self.embedder.embed(_fetched(batch, wanted)))
                if growing.unkept_s > _KEEP_EVERY_S:
                    self._keep(growing.joined())
        finally:
            index = growing.joined()
            if index is not self._index:
                self._keep(index)
        return index

    def _keep(self, index: VectorIndex) -> None:
        self._index = index
        self._save(index)

    def _load(self) -> VectorIndex:
        found = load_index(state_folder(self._folder), self._name, self.embedder)
        return VectorIndex.empty(self.embedder.dim) if found is None else found

    def _save(self, index: VectorIndex) -> None:
        """Only a saving of time for the next start: failing at it harms nothing."""
        if not self._folder.is_dir():  # created by the first `add`
            return
        try:
            with locked(self._folder, timeout_s=5.0):
                save_index(index, state_folder(self._folder), self._name, self.embedder)
        except LibraryError as error:
            logger.warning("the voice index is not saved: %s", error)


def _fetched(keys: Sequence[bytes], wanted: Mapping[bytes, Callable[[], T]]) -> list[T]:
    return [wanted[key]() for key in keys]


class _Growing:
    """An index, and rows that wait to be joined to it: one by one would copy it each time."""

    def __init__(self, index: VectorIndex, on_progress: Callable[[int, int], None]) -> None:
        self._index = index
        self._on_progress = on_progress
        self._clear()

    def _clear(self) -> None:
        self._keys: list[bytes] = []
        self._vectors: list[Float32] = []
        self._since = time.monotonic()

    @property
    def unkept_s(self) -> float:
        return time.monotonic() - self._since

    def add(self, keys: Sequence[bytes], vectors: Float32) -> None:
        self._keys += keys
        self._vectors.append(vectors)

    def joined(self) -> VectorIndex:
        if self._keys:
            rows = np.vstack(self._vectors)
            self._index = self._index.with_rows(self._keys, rows, self._on_progress)
            self._clear()
        return self._index
