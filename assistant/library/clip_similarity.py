"""Search by a clip: the voices most similar to it, by the vectors of an audio embedder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.audio.voice import VoiceMatch
from assistant.library.checks import MAX_SECONDS
from assistant.library.embedding import Embedder
from assistant.library.embedding_index import EmbeddingIndex, key_of
from assistant.library.files import OnProgress, no_progress
from assistant.library.snapshot import Item

MakeEmbedder = Callable[[], Embedder[Audio]]
"""Returns the embedder; it may take time, to load a model."""
BATCH = 16
"""Clips that are in memory at the same time; each may be a minute long."""


class ClipSimilarity:
    """The embedding index of a library's clips.

    `make` returns the embedder; it is called by the first search. `batch` is how many clips are in
    memory at the same time.
    """

    def __init__(
        self,
        make: MakeEmbedder,
        folder: Path,
        *,
        batch: int = BATCH,
        on_progress: OnProgress = no_progress,
    ) -> None:
        self._make = make
        self._folder = folder
        self._batch = batch
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._index: EmbeddingIndex[Audio] | None = None

    def search(
        self, voices: Mapping[str, list[Item]], audio: Audio, limit: int
    ) -> list[VoiceMatch]:
        """Returns the nearest of `voices` (by the sha256 of their clips), best first.

        A vector belongs to its clip's content alone: a voice that is renamed keeps it.
        """
        wanted = {key_of(sha256): same for sha256, same in voices.items()}
        embeddings = self._embeddings()
        index = embeddings.index_of(
            {key: partial(_audio_of, same[0]) for key, same in wanted.items()}
        )
        query = embeddings.embedder.embed([audio])[0]
        if not query.any():  # there is no voice in it
            return []
        found = index.search(query, limit + len(index) - len(wanted))
        return [
            VoiceMatch(item.voice, round(min(1.0, max(0.0, product)), 4))
            for key, product in found
            for item in wanted.get(key, ())
        ][:limit]

    def _embeddings(self) -> EmbeddingIndex[Audio]:
        with self._lock:
            if self._index is None:
                self._index = EmbeddingIndex(
                    "sound",  # names its files
                    self._make(),
                    self._folder,
                    batch=self._batch,
                    on_progress=self._on_progress,
                )
            return self._index


def _audio_of(item: Item) -> Audio:
    assert item.voice.path
    return read_audio(item.voice.path, max_seconds=MAX_SECONDS)
