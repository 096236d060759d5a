"""A snapshot of all voices of a library: the user's folder, the bundled one, and external clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.audio.voice import Voice
from assistant.errors import LibraryError
from assistant.library.checks import Checked, check_files, traits_of
from assistant.library.external_clips import read_clips, signature_of_clips
from assistant.library.files import OnProgress, no_progress, stamp_of
from assistant.library.manifest import (
    LINES_NAME,
    TOML_NAME,
    Entry,
    Manifest,
    read_manifest,
)
from assistant.library.sources import Source

Signature = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Item:
    entry: Entry
    voice: Voice
    folder: Path | None
    """The folder whose manifest names the voice; None for an external clip."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """`items` by id; `signature` tells whether a manifest or an external clip changed since.

    `notes`: a line for each external clip that is left out.
    """

    items: Mapping[str, Item]
    signature: Signature
    notes: tuple[str, ...] = ()


def signature_of(folders: Sequence[Path], clips: Sequence[Source]) -> Signature:
    """Changes whenever one of the folders' manifests does, or one of the clips."""
    manifests = (folder / name for folder in folders for name in (TOML_NAME, LINES_NAME))
    return (*map(stamp_of, manifests), signature_of_clips(clips))


def take_snapshot(
    folders: Sequence[Path],
    clips: Sequence[Source],
    checked: Checked,
    on_progress: OnProgress = no_progress,
) -> Snapshot:
    """Reads and checks the manifests of all folders, and adds the external `clips`.

    Raises one LibraryError that names every problem of every manifest.
    """
    signature = signature_of(
        folders, clips
    )  # before reading: a change during the reading is seen next time
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
    items = _items(manifests, checked, on_progress)
    external, notes = read_clips(clips, items.keys(), checked)
    for clip, entry in external:
        items[entry.id] = Item(entry, entry.voice(clip.path.parent, entry.traits), None)
    return Snapshot(items, signature, tuple(notes))


def _shared_ids(manifests: Sequence[Manifest]) -> list[str]:
    owners: dict[str, Path] = {}
    problems: list[str] = []
    for manifest in manifests:
        for voice_id in dict.fromkeys(entry.id for entry in manifest.entries):
            if voice_id in owners:
                problems.append(f"{manifest.path}: {voice_id!r} is also in {owners[voice_id]}")
            owners.setdefault(voice_id, manifest.path)
    return problems


def _items(
    manifests: Sequence[Manifest], checked: Checked, on_progress: OnProgress
) -> dict[str, Item]:
    pairs = [(manifest, entry) for manifest in manifests for entry in manifest.entries]
    items = {}
    for done, (manifest, entry) in enumerate(pairs):
        on_progress("Measuring voices", done, len(pairs))
        voice = entry.voice(manifest.folder, traits_of(manifest, entry, checked))
        items[entry.id] = Item(entry, voice, manifest.folder)
    return items
