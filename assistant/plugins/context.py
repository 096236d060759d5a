"""The context that a tool gets from the assistant, and the result that it may return."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from assistant.audio.voice import Voice, VoiceMatch


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool. A tool may also return a plain string, or any value that JSON can hold.

    `text` is what the model reads, best in words that could be spoken. `data` goes to the caller's
    program unchanged. `voice` is the id of the voice clip to speak in from now on
    (`assistant.audio.voice.DEFAULT_VOICE` for the normal voice); None leaves the voice.
    """

    text: str
    data: Any = None
    voice: str | None = None


class VoiceSearch(Protocol):
    """The voice library, as tools see it."""

    def search(self, text: str, *, language: str = "", limit: int = 5) -> Sequence[VoiceMatch]:
        """The voices that fit the words best, best first."""
        ...

    def get(self, voice_id: str) -> Voice:
        """Raises LibraryError for an unknown id."""
        ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The conversation around a call. A parameter annotated `ToolContext` gets it."""

    session_id: str
    turn_id: str
    call_id: str
    language: str = ""  # BCP 47, empty when unknown
    voice: Voice = field(default_factory=Voice)
    voices: VoiceSearch | None = None
    settings: Any = None
    """The tool's own settings table, as an instance of its settings model."""
    on_progress: Callable[[str], None] = lambda text: None
    _cancelled: threading.Event = field(default_factory=threading.Event, repr=False)

    def progress(self, text: str) -> None:
        """Tells the caller how far the tool is. May be called from any thread."""
        self.on_progress(text)

    @property
    def cancelled(self) -> bool:
        """True once the result is not needed any more: a long sync tool checks it and stops."""
        return self._cancelled.is_set()
