"""The list of a voice folder's clips: voices.toml with `[[voices]]` tables, or voices.jsonl.

    [[voices]]
    id = "awb"                     # letters, digits, - _ . ; unique across all folders in use
    file = "awb.wav"               # inside the folder
    description = "a gentle Scottish man"
    tags = ["calm"]
    transcript = "what is said in the clip"
    language = "en-GB"             # BCP 47
    license = "CMU Flite license"
    consent = "why this voice may be used"
    sha256 = "..."                 # of the file
    [voices.traits]                # as `assistant voices describe` measures them
    pitch_hz = 127.0

Only `id` and `file` must be there. JSON Lines holds the same keys, one clip a line; it is the
better form for thousands of clips.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from assistant.audio.voice import DEFAULT_VOICE, Voice, VoiceTraits
from assistant.config.toml import check_depth
from assistant.config.toml import parse as parse_toml
from assistant.errors import LibraryError, did_you_mean

TOML_NAME, LINES_NAME = "voices.toml", "voices.jsonl"

_ID = re.compile(r"[^\W_][\w.-]{0,63}")
# Language, script, region and variants of RFC 5646; the reserved long primary subtags are left out.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?(-[A-Za-z0-9]{4,8})*")


def check_id(value: str) -> str:
    """Raises ValueError for what is no voice id."""
    if value == DEFAULT_VOICE:
        raise ValueError(f"{DEFAULT_VOICE!r} is the name of the engine's own voice")
    if not _ID.fullmatch(value) or ".." in value:
        raise ValueError("an id is up to 64 letters, digits, '-', '_' and '.', a letter first")
    return value


def check_language(value: str) -> str:
    """Raises ValueError for what is no BCP 47 tag; empty is unknown, and fine."""
    if value and not _LANGUAGE.fullmatch(value):
        raise ValueError("not a BCP 47 language tag such as en, en-GB or zh")
    return value


def _check_file(value: str) -> str:
    parts = PurePosixPath(value).parts
    outside = PurePosixPath(value).is_absolute() or PureWindowsPath(value).drive or ".." in parts
    if outside or not parts or "\0" in value or "\\" in value:
        raise ValueError("must be a path inside the folder, with '/' between its parts")
    return value


class Entry(BaseModel):
    """One clip, as the manifest has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: Annotated[str, AfterValidator(check_id)]
    file: Annotated[str, AfterValidator(_check_file)]
    description: str = ""
    tags: tuple[str, ...] = ()
    transcript: str = ""
    language: Annotated[str, AfterValidator(check_language)] = ""
    license: str = ""
    consent: str = ""
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    traits: VoiceTraits | None = None

    def voice(self, folder: Path, traits: VoiceTraits | None) -> Voice:
        """The entry as everybody else sees it."""
        return Voice(
            id=self.id,
            path=folder / self.file,
            description=self.description,
            language=self.language,
            transcript=self.transcript,
            traits=self.traits or traits,
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """A folder's clips; `path` is the manifest file, which need not exist yet."""

    path: Path
    entries: tuple[Entry, ...] = ()

    @property
    def folder(self) -> Path:
        return self.path.parent


def manifest_path(folder: Path) -> Path:
    """Returns the path of the folder's manifest. Raises LibraryError if there are two."""
    toml, lines = folder / TOML_NAME, folder / LINES_NAME
    if toml.is_file() and lines.is_file():
        raise LibraryError(
            f"{folder}: both {TOML_NAME} and {LINES_NAME} are there", hint="remove one of them"
        )
    return lines if lines.is_file() else toml


def read_manifest(folder: Path) -> tuple[Manifest, list[str]]:
    """Returns the folder's manifest, empty if there is none, and every problem of its text.

    The files that it names are not checked; see checks.py.
    """
    path = manifest_path(folder)
    if not path.is_file():
        return Manifest(path), []
    try:
        rows = _rows(path)
    except (OSError, ValueError) as error:
        return Manifest(path), [f"can't be read: {error}"]
    entries, problems = _entries(rows)
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            problems.append(f"two voices have the id {entry.id!r}")
        seen.add(entry.id)
    return Manifest(path, tuple(entries)), problems


def _rows(path: Path) -> list[Any]:
    text = path.read_text("utf-8-sig")
    if path.name == LINES_NAME:
        return [_json(line, number) for number, line in _numbered(text)]
    table = parse_toml(text)
    if unknown := sorted(set(table) - {"voices"}):
        raise ValueError(f"unknown key {unknown[0]!r}; clips are [[voices]] tables")
    rows = table.get("voices", [])
    if not isinstance(rows, list):
        raise ValueError("voices must be [[voices]] tables")
    return rows


def _numbered(text: str) -> list[tuple[int, str]]:
    # Not splitlines: a JSON text may hold U+2028 and the like as they are.
    return [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]


def _json(line: str, number: int) -> Any:
    try:
        value = json.loads(line)
        check_depth(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number}: {error}") from None
    return value


def _entries(rows: list[Any]) -> tuple[list[Entry], list[str]]:
    entries: list[Entry] = []
    problems: list[str] = []
    for number, row in enumerate(rows, 1):
        try:
            entries.append(Entry.model_validate(row))
        except ValidationError as error:
            name = row.get("id", "") if isinstance(row, dict) else ""
            problems.append(f"voice {number} {f'({name})' if name else ''}: ".replace(" :", ":"))
            problems[-1] += reasons(error)
    return entries, problems


def reasons(error: ValidationError) -> str:
    """Returns what is wrong with an entry, in one line; for an unknown key with the nearest known
    one.
    """
    return "; ".join(_reason(problem) for problem in error.errors())


def _reason(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        hint = did_you_mean(key, Entry.model_fields)
        return f"unknown key {key!r}" + (f"; {hint}" if hint else "")
    text = problem["msg"].removeprefix("Value error, ")
    value = repr(problem["input"])
    return f"{key}: {text[:1].lower()}{text[1:]}, not {value[:60]}{'…' * (len(value) > 60)}"


def as_row(entry: Entry) -> dict[str, Any]:
    """The entry's keys as they are written; what is empty is left out."""
    row = {name: getattr(entry, name) for name in Entry.model_fields if getattr(entry, name)}
    if entry.tags:
        row["tags"] = list(entry.tags)
    if entry.traits:
        row["traits"] = asdict(entry.traits)
    return row
