"""Errors that people read: one line that says what is wrong, and one that says what to do.

    AssistantError
    ├── SettingsError        a settings file, variable or option is wrong
    ├── AudioError           audio can't be read, or is too long, too short or empty
    ├── LibraryError         a voice library, its manifest or one of its clips is wrong
    ├── PluginError          a tool file can't become a tool; names file and line
    ├── EngineError          an engine can't start, or failed while it responded
    │   ├── UnsupportedError     the engine can't do this, and never will
    │   └── RecognizerError      the speech recognizer's process died (engines/embedded)
    ├── ToolError            raised inside a tool: the model reads its text
    ├── ToolTimeoutError     a tool took too long (plugins)
    ├── EscapedError         carries an error out of a tool's thread (plugins)
    └── RefusedError         a request is refused; nothing is broken
        ├── ApiError             the response to a client is an error status (server/http)
        ├── StoreError           a session can't be stored or loaded (server/sessions)
        ├── StalledClientError   a client stopped reading its response (server/http)
        └── FrameError           a Twilio media stream sent a malformed message (server/twilio)

Any other exception is a defect of this package, and may show a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class AssistantError(Exception):
    """Base class of every error that is meant for people.

    `message` says what is wrong; `hint`, if there is one, says what to do about it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class SettingsError(AssistantError):
    """A settings file, an environment variable or an option is wrong."""


class AudioError(AssistantError):
    """Audio that can't be read, or is too long, too short or empty."""


class LibraryError(AssistantError):
    """A voice library, its manifest or one of its clips is wrong."""


class PluginError(AssistantError):
    """A tool file can't become a tool."""

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}:{line}: " if line else f"{path}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


class EngineError(AssistantError):
    """An engine can't start, or failed while it responded."""


class UnsupportedError(EngineError):
    """The engine can't do what it was asked for."""


class RecognizerError(EngineError):
    """The process of a speech recognizer has ended."""


class ToolError(AssistantError):
    """Raised inside a tool; the model reads `message` and tells the user in its own words.

    `transient` marks a failure that may be gone at the next attempt (a dropped connection, a busy
    service): calls of tools without side effects are then tried again.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class RefusedError(AssistantError):
    """A request is refused: the fault is the caller's or the load's, so it is not logged."""


_MAX_MISSPELLED = 64


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns `did you mean 'x'?` for the known word nearest to `word`, or an empty string.

    A word of more than 64 characters is no misspelling of anything, and is not compared.
    """
    if len(word) > _MAX_MISSPELLED:
        return ""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""
