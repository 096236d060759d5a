"""Checks the files that a manifest names, and caches the results.

Hashing and measuring every clip at every start would be slow, so the results are stored in
index/checked.json, by size and modification time; a file that changed is checked again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from assistant.audio.decode import read_audio
from assistant.audio.voice import VoiceTraits
from assistant.errors import AudioError, LibraryError
from assistant.library.files import sha256_of, state_folder, write_atomic
from assistant.library.manifest import Entry, Manifest
from assistant.library.measure import measure

MAX_SECONDS = 60.0
_FORMAT = 1


@dataclass(slots=True)
class Checked:
    """The results of checks of files and clips; `changed` once there are new ones to save."""

    sums: dict[str, tuple[int, int, str]] = field(default_factory=dict)  # by path: size, ns, sha256
    traits: dict[str, VoiceTraits] = field(default_factory=dict)  # by sha256
    prints: dict[str, str] = field(default_factory=dict)  # by sha256: that of the samples
    changed: bool = False

    def sha256(self, path: Path) -> str:
        """Raises OSError."""
        stat = path.stat()
        known = self.sums.get(str(path))
        if known and known[:2] == (stat.st_size, stat.st_mtime_ns):
            return known[2]
        digest = sha256_of(path)
        self.sums[str(path)] = (stat.st_size, stat.st_mtime_ns, digest)
        self.changed = True
        return digest

    def traits_of(self, path: Path) -> VoiceTraits:
        """Measured once for each content. Raises AudioError and OSError."""
        digest = self.sha256(path)
        if digest not in self.traits:
            self.traits[digest] = measure(read_audio(path, max_seconds=MAX_SECONDS))
            self.changed = True
        return self.traits[digest]


def load_checked(folder: Path) -> Checked:
    """Returns the saved results; empty if nothing readable is saved."""
    try:
        saved = json.loads((state_folder(folder) / "checked.json").read_bytes())
        if saved["format"] != _FORMAT:
            return Checked()
        sums = {path: (int(a), int(b), str(c)) for path, (a, b, c) in saved["sums"].items()}
        traits = {key: VoiceTraits(**values) for key, values in saved["traits"].items()}
        return Checked(sums, traits, dict(saved["prints"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Checked()


def save_checked(checked: Checked, folder: Path) -> None:
    """Raises LibraryError when the folder can't be written to."""
    # Copies: other threads may look at further files meanwhile.
    content: dict[str, Any] = {
        "format": _FORMAT,
        "sums": dict(checked.sums),
        "traits": {key: asdict(traits) for key, traits in dict(checked.traits).items()},
        "prints": dict(checked.prints),
    }
    write_atomic(state_folder(folder) / "checked.json", json.dumps(content).encode())
    checked.changed = False


def check_files(manifest: Manifest, checked: Checked) -> list[str]:
    """Every problem of the clips' files, one line each."""
    folder = manifest.folder
    return [problem for e in manifest.entries if (problem := _file_problem(folder, e, checked))]


def _file_problem(folder: Path, entry: Entry, checked: Checked) -> str:
    path = folder / entry.file
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return f"voice {entry.id!r}: {entry.file} leads out of the folder"
        if not path.is_file():
            return f"voice {entry.id!r}: no such file: {entry.file}"
        if entry.sha256 and checked.sha256(path) != entry.sha256:
            return f"voice {entry.id!r}: {entry.file} has changed: its sha256 is another"
    except OSError as error:
        return f"voice {entry.id!r}: {entry.file} can't be read: {error.strerror or error}"
    return ""


def traits_of(manifest: Manifest, entry: Entry, checked: Checked) -> VoiceTraits | None:
    """The traits of the manifest, else those measured now. Raises LibraryError."""
    if entry.traits:
        return entry.traits
    try:
        return checked.traits_of(manifest.folder / entry.file)
    except (AudioError, OSError) as error:
        raise LibraryError(f"{manifest.path}: voice {entry.id!r}: {error}") from error
