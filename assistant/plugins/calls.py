"""Whose call it is, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from assistant.audio import Voice
from assistant.messages import Outcome, ToolCall, ToolSchema
from assistant.plugins.context import VoiceSearch

Approve = Callable[[ToolCall, ToolSchema], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Caller:
    """The conversation that a call belongs to.

    `allow` and `deny` narrow what the settings permit, and never widen it. `approve` is asked
    before a tool that needs approval runs; without it such tools are denied. `on_progress` is
    called in the event loop's thread, and never after the call's outcome.
    """

    session_id: str
    turn_id: str
    language: str = ""  # BCP 47, empty when unknown
    voice: Voice = field(default_factory=Voice)
    voices: VoiceSearch | None = None
    allow: Collection[str] | None = None
    deny: Collection[str] = ()
    approve: Approve | None = None
    on_progress: Callable[[ToolCall, str], None] = lambda call, text: None


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """How a call ended. `text` is what the model reads, `data` what a program may use.

    `voice` is the id of the clip to speak in from here on, None to leave it. `attempts` is 0
    where the tool was never started.
    """

    call: ToolCall
    outcome: Outcome
    text: str
    data: Any = None
    voice: str | None = None
    seconds: float = 0.0
    attempts: int = 1
