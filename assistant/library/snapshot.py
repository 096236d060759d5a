"""All voices of a library at one moment: the user's folder and the bundled one together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.audio import Voice
from assistant.errors import LibraryError
from assistant.library.checks import Checked, check_files, traits_of
from assistant.library.manifest import (
    LINES_NAME,
    TOML_NAME,
    Entry,
    Manifest,
    read_manifest,
)
from assistant.library.progress import tracked

Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Item:
    entry: Entry
    voice: Voice


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """`items` by id; `signature` tells whether a manifest changed since."""

    items: Mapping[str, Item]
    signature: Signature


def signature_of(folders: Sequence[Path]) -> Signature:
    """Changes whenever one of the folders' manifests does."""
    return tuple(_stamp(folder / name) for folder in folders for name in (TOML_NAME, LINES_NAME))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def take_snapshot(folders: Sequence[Path], checked: Checked) -> Snapshot:
    """Reads and checks the manifests of all folders.

    Raises one LibraryError that names every problem of every manifest.
    """
    signature = signature_of(folders)  # before reading: a change in between is seen next time
    manifests: list[Manifest] = []
    problems: list[str] = []
    for folder in folders:
        manifest, found = read_manifest(folder)
        found += check_files(manifest, checked)
        problems += [f"{manifest.path}: {problem}" for problem in found]
        manifests.append(manifest)
    problems += _shared_ids(manifests)
    if problems:
        raise LibraryError("; ".join(problems))
    return Snapshot(_items(manifests, checked), signature)


def _shared_ids(manifests: Sequence[Manifest]) -> list[str]:
    owners: dict[str, Path] = {}
    problems: list[str] = []
    for manifest in manifests:
        for voice_id in dict.fromkeys(entry.id for entry in manifest.entries):
            if voice_id in owners:
                problems.append(f"{manifest.path}: {voice_id!r} is also in {owners[voice_id]}")
            owners.setdefault(voice_id, manifest.path)
    return problems


def _items(manifests: Sequence[Manifest], checked: Checked) -> dict[str, Item]:
    pairs = [(manifest, entry) for manifest in manifests for entry in manifest.entries]
    return {
        entry.id: Item(entry, entry.voice(manifest.folder, traits_of(manifest, entry, checked)))
        for manifest, entry in tracked(pairs, "Measuring voices")
    }
