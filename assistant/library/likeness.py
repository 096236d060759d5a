"""Voices that sound like a clip, by vectors of their sound."""

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
from assistant.library.snapshot import Item

MakeEmbedder = Callable[[], Embedder[Audio]]
_BATCH = 16  # clips that are in memory at the same time: each may be a minute long


class Likeness:
    """The vectors of a library's sounds. `make` is called when they are needed first."""

    def __init__(self, make: MakeEmbedder, folder: Path) -> None:
        self._make = make
        self._folder = folder
        self._lock = threading.Lock()
        self._made: EmbeddingIndex[Audio] | None = None

    def search(
        self, voices: Mapping[str, list[Item]], sound: Audio, limit: int
    ) -> list[VoiceMatch]:
        """The nearest of `voices`, which are by the sha256 of their clips; best first.

        A row is known by its clip's content alone: a voice that is renamed keeps it.
        """
        wanted = {key_of(sha256): same for sha256, same in voices.items()}
        shelf = self._shelf()
        index = shelf.index_of({key: partial(_sound, same[0]) for key, same in wanted.items()})
        query = shelf.embedder.embed([sound])[0]
        if not query.any():  # it says nothing of a voice
            return []
        found = index.search(query, limit + len(index) - len(wanted))
        return [
            VoiceMatch(item.voice, round(min(1.0, max(0.0, product)), 4))
            for key, product in found
            for item in wanted.get(key, ())
        ][:limit]

    def _shelf(self) -> EmbeddingIndex[Audio]:
        with self._lock:
            if self._made is None:
                self._made = EmbeddingIndex("sound", self._make(), self._folder, batch=_BATCH)
            return self._made


def _sound(item: Item) -> Audio:
    assert item.voice.path
    return read_audio(item.voice.path, max_seconds=MAX_SECONDS)
