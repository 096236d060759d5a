"""Takes new clips into a folder, and refuses what is no use as a voice."""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from assistant.audio.decode import read_audio
from assistant.audio.encode import write_wav
from assistant.audio.samples import Audio
from assistant.audio.voice import Voice
from assistant.errors import AudioError, LibraryError
from assistant.library.checks import MAX_SECONDS, Checked
from assistant.library.files import OnProgress, locked, no_progress, write_atomic
from assistant.library.manifest import Entry, Manifest, read_manifest, reasons
from assistant.library.measure import measure, speech_problem
from assistant.library.sources import ClipInfo, Refusal, Source, expand
from assistant.library.writing import add_entries

MIN_SECONDS = 1.0
_BATCH = 50  # the most clips that are lost if the process is killed


@dataclass(frozen=True, slots=True)
class AddReport:
    added: tuple[Voice, ...]
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip that may be taken: as it will be written, and its entry without id and file."""

    source: Source
    wav: bytes
    entry: Entry


class ClipImporter:
    """One run of `add` into `folder`. Ids and clips of all `folders` count as taken.

    So do the `reserved` ids, of voices that are not in a folder of the library.
    """

    def __init__(
        self,
        folder: Path,
        folders: Sequence[Path],
        checked: Checked,
        *,
        reserved: Iterable[str] = (),
        on_progress: OnProgress = no_progress,
    ) -> None:
        self._folder = folder
        self._reserved = frozenset(voice_id.casefold() for voice_id in reserved)
        self._folders = folders
        self._on_progress = on_progress
        self._checked = checked
        self._added: list[Voice] = []
        self._refused: list[Refusal] = []

    def run(self, paths: Sequence[Path], info: ClipInfo) -> AddReport:
        """Raises LibraryError when the folder can't be written to, or its manifest is broken."""
        waiting: list[_Clip] = []
        sources = expand(paths, info)
        for done, source in enumerate(sources):
            self._on_progress("Adding voices", done, len(sources))
            looked = source if isinstance(source, Refusal) else examine(source)
            if isinstance(looked, Refusal):
                self._refused.append(looked)
            else:
                waiting.append(looked)
            if len(waiting) >= _BATCH:
                self._take(waiting)
                waiting = []
        if waiting:
            self._take(waiting)
        return AddReport(tuple(self._added), tuple(self._refused))

    def _take(self, clips: Sequence[_Clip]) -> None:
        """Writes clips and manifest. Under the lock it reads the manifests again."""
        with locked(self._folder):
            manifests = [self._read(folder) for folder in self._folders]
            own = next(m for m in manifests if m.folder == self._folder)
            ids = {entry.id.casefold() for m in manifests for entry in m.entries} | self._reserved
            recordings = self._known_clips(manifests)
            new: list[Entry] = []
            for clip in clips:
                entry = self._placed(clip, ids, recordings)
                if entry:
                    new.append(entry)
                    write_atomic(self._folder / entry.file, clip.wav)
            if new:
                add_entries(own, new)
        self._added += [entry.voice(self._folder, entry.traits) for entry in new]

    def _placed(self, clip: _Clip, ids: set[str], recordings: dict[str, str]) -> Entry | None:
        """The entry with its id and file; None, and a refusal, when either is there already."""
        digest = clip.entry.sha256
        wanted = clip.source.info.id
        if digest in recordings:
            self._refuse(clip, f"already there, as {recordings[digest]!r}")
            return None
        if wanted and wanted.casefold() in ids:
            self._refuse(clip, f"the id {wanted!r} is taken")
            return None
        voice_id = wanted or _free_id(clip.source.path.stem, ids)
        ids.add(voice_id.casefold())
        recordings[digest] = voice_id
        return clip.entry.model_copy(update={"id": voice_id, "file": f"{voice_id}.wav"})

    def _refuse(self, clip: _Clip, reason: str) -> None:
        self._refused.append(Refusal(clip.source.name, reason))

    def _read(self, folder: Path) -> Manifest:
        manifest, problems = read_manifest(folder)
        if problems:
            raise LibraryError(f"{manifest.path}: {'; '.join(problems)}")
        return manifest

    def _known_clips(self, manifests: Sequence[Manifest]) -> dict[str, str]:
        """Returns the id of each clip that is there, by the sha256 of its plain WAV form."""
        found: dict[str, str] = {}
        for manifest in manifests:
            for entry in manifest.entries:
                try:
                    found[self._print(manifest.folder / entry.file)] = entry.id
                except (OSError, AudioError):
                    continue  # reported when that clip is used
        return found

    def _print(self, path: Path) -> str:
        digest = self._checked.sha256(path)
        if digest not in self._checked.prints:
            wav = plain_wav(read_audio(path, max_seconds=MAX_SECONDS))
            self._checked.prints[digest] = hashlib.sha256(wav).hexdigest()
            self._checked.changed = True
        return self._checked.prints[digest]


def examine(source: Source) -> _Clip | Refusal:
    """Reads and measures a clip. Refuses what can't be read, or is of no use as a voice."""
    try:
        audio = read_audio(source.path, max_seconds=MAX_SECONDS)
    except AudioError as error:
        return Refusal(source.name, _without_path(error.message, source.path))
    if reason := _unfit(audio):
        return Refusal(source.name, reason)
    wav = plain_wav(audio)
    about = {name: getattr(source.info, name) for name in ClipInfo.__slots__ if name != "id"}
    about |= {"sha256": hashlib.sha256(wav).hexdigest(), "traits": measure(audio)}
    voice_id = source.info.id or "new"
    try:
        # The file gets its name with the id, once that is known to be free.
        entry = Entry.model_validate({"id": voice_id, "file": "new.wav", **about})
    except ValidationError as error:
        return Refusal(source.name, reasons(error))
    return _Clip(source, wav, entry)


def _unfit(audio: Audio) -> str:
    if audio.seconds < MIN_SECONDS:
        return f"too short: {audio.seconds:.2f} seconds; at least {MIN_SECONDS:.0f} is needed"
    return speech_problem(audio)


def plain_wav(audio: Audio) -> bytes:
    """Returns 16 bit mono WAV: the same samples have the same bytes, whatever file they came in."""
    buffer = io.BytesIO()
    write_wav(buffer, [audio.to_pcm16()], audio.sample_rate)
    return buffer.getvalue()


def _without_path(message: str, path: Path) -> str:
    return message.removeprefix(f"{path}: ")


def _free_id(stem: str, ids: set[str]) -> str:
    """Returns an unused id that is derived from a file's name."""
    plain = re.sub(r"[^\w-]+", "-", unicodedata.normalize("NFKC", stem)).strip("-_")[:50]
    start = plain if plain and plain.casefold() != "default" else f"voice-{plain}".strip("-")
    candidate, number = start, 2
    while candidate.casefold() in ids:
        candidate, number = f"{start}-{number}", number + 1
    return candidate
