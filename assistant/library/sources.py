"""The sources of `add`: audio files, folders of them, and lists (CSV or JSON Lines)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

AUDIO_SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif"))
_LIST_SUFFIXES = frozenset((".csv", ".jsonl"))


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """The known facts about a clip besides its audio; all of them may be empty."""

    id: str = ""
    description: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    transcript: str = ""
    license: str = ""
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A clip, or a row of a list, that was not taken."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    path: Path
    info: ClipInfo
    name: str  # what to call it in a report


def expand(paths: Sequence[Path], info: ClipInfo) -> list[Source | Refusal]:
    """Every clip of the files, folders and lists, in order; never raises for what is wrong."""
    return [found for path in paths for found in _expand_one(path, info)]


def _expand_one(path: Path, info: ClipInfo) -> Iterator[Source | Refusal]:
    if path.is_dir():
        yield from _folder(path, info)
    elif path.suffix.lower() in _LIST_SUFFIXES:
        yield from _list(path, info)
    else:
        yield Source(path, info, _printable(path))


def _folder(folder: Path, info: ClipInfo) -> Iterator[Source | Refusal]:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        yield Refusal(_printable(folder), "there are no audio files in this folder")
    for file in files:
        yield Source(file, info, _printable(file))


def _list(path: Path, info: ClipInfo) -> Iterator[Source | Refusal]:
    """Rows with `wav` (a path from the list's own folder) and, as a rule, `description`."""
    number = 0
    try:
        for number, row in enumerate(_rows(path), 1):
            yield _row(path, number, row, info)
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        yield Refusal(_printable(path), f"can't be read after row {number}: {reason}")
        return
    if not number:
        yield Refusal(_printable(path), "the list is empty")


def _rows(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() == ".csv":
            yield from csv.DictReader(file)
        else:
            yield from (json.loads(line) for line in file if line.strip())


def _row(path: Path, number: int, row: Any, info: ClipInfo) -> Source | Refusal:
    name = f"{_printable(path)} row {number}"
    if not isinstance(row, Mapping) or not isinstance(row.get("wav"), str) or not row["wav"]:
        return Refusal(name, "there is no `wav`, the path of the clip")
    given = {key: row.get(key) for key in ("id", "description", "language", "transcript")}
    given |= {key: row.get(key) for key in ("license", "consent")}
    texts = {key: str(value).strip() for key, value in given.items() if value}
    tags = tuple(_tags(row.get("tags"))) or info.tags
    return Source(path.parent / row["wav"], replace(info, **texts, tags=tags), name)


def _tags(value: Any) -> list[str]:
    parts = value if isinstance(value, list) else str(value or "").replace(",", ";").split(";")
    return [str(part).strip() for part in parts if str(part).strip()]


def _printable(path: Path) -> str:
    return str(path).replace("\0", "\\0")
