"""The file of API keys. TOML, to be read and mended by people:

[keys.3f2a9c01]
name = "help desk"
sha256 = "..."
scopes = ["chat", "sessions"]
tools = ["weather"]             # left out: all of them
voices = ["default", "slt"]     # left out: all of them
requests_per_minute = 60        # left out: no limit
concurrent_turns = 4            # left out: no limit
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pydantic

from assistant.config import describe
from assistant.config.toml import parse as parse_toml
from assistant.errors import SettingsError
from assistant.server.auth.keys import ORDINARY, ApiKey, KeyRing, Scope, hash_of, new_token

logger = logging.getLogger(__name__)


class KeyFile:
    """The keys of a file as it is now: an added or removed key counts from the next request on.

    A file that has become wrong is reported, and the keys from before it stay. Raises
    SettingsError when the file is wrong at first, or holds no key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ring = read_keys(path)
        if not list(self._ring):
            raise SettingsError(f"{path}: no keys in it", hint="add one: `assistant keys add`")
        self._stamp = self._look()

    def current(self) -> KeyRing:
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._ring = _not_truncated(self.path)
            except SettingsError as error:
                logger.error("The keys stay as they were: %s", error)
        return self._ring

    def find(self, key_id: str) -> ApiKey | None:
        """Returns the key with that id as the file has it now, or None."""
        return self.current().get(key_id)

    def _look(self) -> tuple[int, int, int]:
        try:
            status = self.path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_size, status.st_ino)


def _not_truncated(path: Path) -> KeyRing:
    """Raises SettingsError if the file is wrong or has no content: it may be half written.

    `remove_key` leaves a comment in a file without keys.
    """
    ring = read_keys(path)
    if not list(ring) and not path.read_text("utf-8").strip():
        raise SettingsError(f"{path}: the file is empty")
    return ring


def read_keys(path: Path) -> KeyRing:
    """Raises SettingsError: no such file, not TOML, a key that is wrong."""
    try:
        tables = parse_toml(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path}: can't be read: {error.strerror}",
            hint="`assistant keys add` makes the file and its first key",
        ) from error
    except ValueError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    keys = tables.pop("keys", {})
    if tables or not isinstance(keys, dict):
        raise SettingsError(f"{path}: a key file has tables [keys.ID] and nothing else")
    return KeyRing(_checked(path, key_id, table) for key_id, table in keys.items())


def _checked(path: Path, key_id: str, table: object) -> ApiKey:
    if not isinstance(table, dict) or "id" in table:
        raise SettingsError(f"{path}: keys.{key_id}: not a table of a key")
    try:
        return ApiKey.model_validate({**table, "id": key_id})
    except pydantic.ValidationError as error:
        problem = describe(error, ApiKey, f"keys.{key_id}.")
        raise SettingsError(f"{path}: {problem}") from None


def add_key(
    path: Path,
    *,
    name: str = "",
    scopes: Iterable[Scope] = ORDINARY,
    tools: Iterable[str] | None = None,
    voices: Iterable[str] | None = None,
    requests_per_minute: int | None = None,
    concurrent_turns: int | None = None,
) -> str:
    """Creates a key, appends it to the file, and returns it: it can't be shown again.

    Raises SettingsError if the file is wrong, or can't be written.
    """
    if not name.isprintable():
        raise SettingsError("the name of a key is one line of plain text")
    if path.exists() and path.stat().st_size:
        read_keys(path)
    key_id, token = new_token()
    values = {
        "name": name,
        "sha256": hash_of(token),
        "scopes": sorted(scopes),
        "tools": None if tools is None else sorted(tools),
        "voices": None if voices is None else sorted(voices),
        "requests_per_minute": requests_per_minute,
        "concurrent_turns": concurrent_turns,
    }
    # JSON's strings, lists and numbers are TOML's too, but for its escapes of surrogate pairs.
    lines = [
        f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in values.items() if v is not None
    ]
    before = path.read_text("utf-8") if path.exists() else ""
    before += "" if before.endswith("\n") or not before else "\n"
    _write(path, before + f"[keys.{key_id}]\n" + "\n".join(lines) + "\n\n")
    return token


def _write(path: Path, text: str) -> None:
    """Replaces the file at once: a reader never sees a part of it.

    A new file is readable by its owner only; one that was there keeps its owner and mode.

    Raises SettingsError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.resolve()  # a link stays one
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        new = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _keep_owner(target, new)
            new.replace(target)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(f"{path}: can't be written: {error.strerror}") from error


def _keep_owner(old: Path, new: Path) -> None:
    if old.exists():
        status = old.stat()
        new.chmod(stat.S_IMODE(status.st_mode))
        with suppress(PermissionError):  # only root may give files away
            os.chown(new, status.st_uid, status.st_gid)


def remove_key(path: Path, key_id: str) -> None:
    """Removes the table of a key; the rest of the file stays as it is. Raises SettingsError."""
    if key_id not in {key.id for key in read_keys(path)}:
        raise SettingsError(f"{path}: no key has the id {key_id!r}")
    table = re.compile(rf"^\[keys\.{key_id}\][^\n]*\n(?:(?!\[).*\n?)*", re.MULTILINE)
    text, count = table.subn("", path.read_text("utf-8"))
    if count != 1:
        raise SettingsError(f"{path}: the table of {key_id} is written in an unusual way")
    _write(path, text if text.strip() else "# All keys were removed.\n")
