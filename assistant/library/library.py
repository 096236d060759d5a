"""The voice library: finds clips by words or by a similar clip, adds and removes them."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from assistant.audio.samples import Audio
from assistant.audio.voice import DEFAULT_VOICE, Voice, VoiceMatch
from assistant.config import LibrarySettings
from assistant.config import bundled as bundled_folder
from assistant.errors import LibraryError, did_you_mean
from assistant.library.checks import load_checked, save_checked
from assistant.library.clip_import import AddReport, ClipImporter
from assistant.library.clip_similarity import BATCH, ClipSimilarity, MakeEmbedder
from assistant.library.embedding import Embedder, LexicalEmbedder
from assistant.library.embedding_index import EmbeddingIndex, key_of
from assistant.library.external_clips import ClipProvider, no_clips
from assistant.library.files import OnProgress, locked, no_progress
from assistant.library.index import VectorIndex
from assistant.library.manifest import check_language, read_manifest
from assistant.library.ranking import score, text_of
from assistant.library.snapshot import Item, Snapshot, signature_of, take_snapshot
from assistant.library.sources import ClipInfo, Source
from assistant.library.voiceprint import Voiceprint
from assistant.library.words import wording
from assistant.library.writing import remove_entries

_RANK_ALL = 500
"""Up to here every voice is ranked; in larger libraries the candidates of the index are."""
_HAN = re.compile("[\u4e00-\u9fff]")
logger = logging.getLogger(__name__)


class VoiceLibrary:
    """The clips of the user's folder, of a read-only bundled one, and external ones.

    Safe to use from many threads, and by many processes at once: a search works on a snapshot that
    never changes, and one writer at a time changes the folder. Changes of other processes are seen
    at the next call.
    """

    def __init__(
        self,
        place: LibrarySettings | Path,
        *,
        bundled: Path | None = None,
        text_embedder: Embedder[str] | None = None,
        audio_embedder: MakeEmbedder = Voiceprint,
        clip_provider: ClipProvider = no_clips,
        on_progress: OnProgress = no_progress,
        clips_in_memory: int = BATCH,
    ) -> None:
        """`place`: the settings, or the user's folder, with `bundled` as the other one.

        `audio_embedder` is called by the first search by a clip, and may take time.
        `clip_provider`: external clips. `on_progress`: told how far long work is.
        `clips_in_memory`: how many clips are embedded at a time. The user's folder need not exist;
        the first `add` creates it.

        Raises one LibraryError that names everything that is wrong with the manifests.
        """
        if isinstance(place, LibrarySettings):
            bundled = bundled_folder("voices") if place.bundled else None
            place = place.folder
        self.folder = place.absolute()
        self._folders = [self.folder, *([bundled.absolute()] if bundled else [])]
        self._clip_provider = clip_provider
        self._lock = threading.Lock()
        self._checked = load_checked(self.folder)
        self._on_progress = on_progress
        self._snapshot = self._take_snapshot(clip_provider())
        self._tell(self._snapshot.notes)
        self._keep_checked()
        self._texts = EmbeddingIndex(
            "text", text_embedder or LexicalEmbedder(), self.folder, on_progress=on_progress
        )
        self._similarity = ClipSimilarity(
            audio_embedder, self.folder, batch=clips_in_memory, on_progress=on_progress
        )
        self._found: tuple[Snapshot, VectorIndex, dict[bytes, Item]] | None = None

    def __iter__(self) -> Iterator[Voice]:
        return iter([item.voice for item in self._current().items.values()])

    def __len__(self) -> int:
        return len(self._current().items)

    def get(self, voice_id: str) -> Voice:
        """The voice of that id; the engine's own for "default". Raises LibraryError."""
        if voice_id == DEFAULT_VOICE:
            return Voice()
        items = self._current().items
        if voice_id not in items:
            known = [*items, DEFAULT_VOICE]
            hint = did_you_mean(voice_id, known) or "`assistant voices list` shows what there is"
            raise LibraryError(f"no voice has the id {voice_id!r}", hint=hint)
        return items[voice_id].voice

    def search(self, text: str, *, language: str = "", limit: int = 5) -> list[VoiceMatch]:
        """The voices that fit the words best, best first; empty when nothing fits at all.

        `language`, a BCP 47 tag, prefers voices of that language; without it, that of a request in
        Chinese characters is Chinese. Raises LibraryError for a bad tag.
        """
        if not language and _HAN.search(text):
            language = "zh"
        try:
            check_language(language)
        except ValueError as error:
            raise LibraryError(f"language {language!r}: {error}") from None
        request = wording(text)
        index, items = self._text_index()
        query = self._texts.embedder.embed([text])[0]
        count = len(items) if len(items) <= _RANK_ALL else max(200, 20 * limit)
        matches = [
            VoiceMatch(item.voice, round(value, 4))
            for key, product in index.search(query, count + len(index) - len(items))
            if (item := items.get(key))
            and (value := score(request, item.entry, item.voice.traits, product, language)) > 0.0
        ]
        return sorted(matches, key=lambda match: -match.score)[:limit]

    def search_like(self, audio: Audio, limit: int = 5) -> list[VoiceMatch]:
        """Returns the voices that are most similar to the one in the clip, best first.

        The first call embeds every clip that was not embedded before, and saves the vectors. Empty
        if there is no voice in the clip. Raises AudioError if a clip of the library can't be read,
        EngineError if a model failed.
        """
        voices: dict[str, list[Item]] = {}
        for item in self._current().items.values():
            voices.setdefault(self._sha256(item), []).append(item)
        return self._similarity.search(voices, audio, limit)

    def add(self, sources: Sequence[Path], info: ClipInfo | None = None) -> AddReport:
        """Adds clips from files, folders, and lists (.csv, .jsonl); `info` holds for all of them.

        A clip that can't be taken is refused with the reason, in the report; the others are
        added. Raises LibraryError when the folder can't be written to.
        """
        external = [item.entry.id for item in self._current().items.values() if not item.folder]
        intake = ClipImporter(
            self.folder,
            self._folders,
            self._checked,
            reserved=external,
            on_progress=self._on_progress,
        )
        report = intake.run(sources, info or ClipInfo())
        self._current()
        return report

    def remove(self, voice_id: str) -> None:
        """Removes a clip of the user's folder, and its file. Raises LibraryError."""
        path = self.get(voice_id).path
        item = self._current().items.get(voice_id)
        if path is None or item is None or item.folder != self.folder:
            raise LibraryError(f"{voice_id!r} is not one of your clips; it can't be removed")
        with locked(self.folder):
            manifest, problems = read_manifest(self.folder)
            if problems:
                raise LibraryError(f"{manifest.path}: {'; '.join(problems)}")
            left = remove_entries(manifest, {voice_id})
            if path not in {self.folder / entry.file for entry in left.entries}:
                path.unlink(missing_ok=True)
        self._current()

    def _current(self) -> Snapshot:
        """The snapshot, taken again if a manifest has changed."""
        clips = self._clip_provider()
        if self._snapshot.signature == signature_of(self._folders, clips):
            return self._snapshot
        with self._lock:
            if self._snapshot.signature != signature_of(self._folders, clips):
                self._snapshot = self._retaken(clips)
            return self._snapshot

    def _take_snapshot(self, clips: Sequence[Source]) -> Snapshot:
        return take_snapshot(self._folders, clips, self._checked, self._on_progress)

    def _retaken(self, clips: Sequence[Source]) -> Snapshot:
        before = self._snapshot
        try:
            snapshot = self._take_snapshot(clips)
        except LibraryError as error:
            # Another program broke it while we run: keep the last valid snapshot.
            logger.warning("the voice library changed and can't be read: %s", error)
            return Snapshot(before.items, signature_of(self._folders, clips), before.notes)
        self._tell(note for note in snapshot.notes if note not in before.notes)
        self._keep_checked()
        return snapshot

    def _tell(self, notes: Iterable[str]) -> None:
        for note in notes:
            logger.warning("%s", note)

    def _keep_checked(self) -> None:
        if self._checked.changed and self.folder.is_dir():
            try:
                save_checked(self._checked, self.folder)
            except LibraryError as error:
                logger.warning("what is known of the clips is not saved: %s", error)

    def _text_index(self) -> tuple[VectorIndex, dict[bytes, Item]]:
        snapshot, known = self._current(), self._found
        if known and known[0] is snapshot:
            return known[1], known[2]
        items = {
            key_of(item.entry.id, text_of(item.entry)): item for item in snapshot.items.values()
        }
        wanted: dict[bytes, Callable[[], str]] = {
            key: partial(text_of, item.entry) for key, item in items.items()
        }
        index = self._texts.index_of(wanted)
        self._found = (snapshot, index, items)
        return index, items

    def _sha256(self, item: Item) -> str:
        assert item.voice.path
        return item.entry.sha256 or self._checked.sha256(item.voice.path)
