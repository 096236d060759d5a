"""Changes a manifest's text: comments and order of what is there stay as they are."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import tomlkit
import tomlkit.exceptions

from assistant.config.toml import parse as parse_toml
from assistant.library.files import write_atomic
from assistant.library.manifest import LINES_NAME, Entry, Manifest, as_row

_HEAD = "# Voice clips, one [[voices]] table each; `assistant voices add` writes here too.\n"


def add_entries(manifest: Manifest, new: Sequence[Entry]) -> Manifest:
    """Writes the manifest with `new` at its end."""
    entries = (*manifest.entries, *new)
    text = manifest.path.read_text("utf-8-sig") if manifest.path.is_file() else ""
    if manifest.path.name == LINES_NAME:
        changed = _with_newline(text) + "".join(_line(entry) for entry in new)
    else:
        changed = (_with_newline(text) or _HEAD) + "".join(_table(entry) for entry in new)
    return _write(manifest, changed, entries)


def remove_entries(manifest: Manifest, ids: Collection[str]) -> Manifest:
    """Writes the manifest without `ids`."""
    entries = tuple(entry for entry in manifest.entries if entry.id not in ids)
    text = manifest.path.read_text("utf-8-sig")
    if manifest.path.name == LINES_NAME:
        lines = [line for line in text.split("\n") if line.strip()]
        changed = "".join(f"{line}\n" for line in lines if json.loads(line)["id"] not in ids)
    else:
        changed = _without_tables(text, ids)
    return _write(manifest, changed, entries)


def _write(manifest: Manifest, text: str, entries: tuple[Entry, ...]) -> Manifest:
    rows = [as_row(entry) for entry in entries]
    if manifest.path.name != LINES_NAME and not _reads_back(text, rows):
        # Hand-written TOML in another style (inline tables): written again, in ours.
        text = _HEAD + "".join(_table(entry) for entry in entries)
    write_atomic(manifest.path, text.encode())
    return Manifest(manifest.path, entries)


def _reads_back(text: str, rows: list[dict[str, Any]]) -> bool:
    try:
        found = parse_toml(text).get("voices", [])
        return [as_row(Entry.model_validate(row)) for row in found] == rows
    except ValueError:
        return False


def _with_newline(text: str) -> str:
    return f"{text}\n" if text and not text.endswith("\n") else text


def _line(entry: Entry) -> str:
    return json.dumps(as_row(entry), ensure_ascii=False) + "\n"


def _table(entry: Entry) -> str:
    return "\n" + tomlkit.dumps({"voices": [as_row(entry)]})


def _without_tables(text: str, ids: Collection[str]) -> str:
    try:
        document = tomlkit.parse(text)
    except tomlkit.exceptions.TOMLKitError:
        return ""  # the file is written again then
    tables = document.get("voices", [])
    for position in reversed(range(len(tables))):
        if tables[position]["id"] in ids:
            del tables[position]
    return tomlkit.dumps(document)
