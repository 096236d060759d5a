"""A tool call's conversation, its outcome, and the calls of the turn before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from assistant.audio.voice import Voice
from assistant.messages import Outcome, ToolCall, ToolSchema
from assistant.plugins.arguments import canonical
from assistant.plugins.context import VoiceSearch

Approve = Callable[[ToolCall, ToolSchema], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """The outcome of a call. `text` is for the model to read, `data` for a program to use.

    `voice` is the id of the voice clip to speak in from now on, None to keep the voice. `attempts`
    is 0 if the tool was never started.
    """

    call: ToolCall
    outcome: Outcome
    text: str
    data: Any = None
    voice: str | None = None
    seconds: float = 0.0
    attempts: int = 1


CallKey = tuple[str, str]
"""The canonical form of a call: the tool's name and the arguments as sorted JSON."""


@dataclass
class EarlierCall:
    """A call that others may share. `outcome` stays None if it was cancelled before `done`."""

    done: anyio.Event = field(default_factory=anyio.Event)
    outcome: ToolOutcome | None = None


class EarlierCalls:
    """The calls of one turn. `known` are outcomes of calls that need not run again."""

    def __init__(self, known: Mapping[CallKey, ToolOutcome] | None = None) -> None:
        self._calls: dict[CallKey, EarlierCall] = {}
        for key, outcome in (known or {}).items():
            earlier = self._calls[key] = EarlierCall(outcome=outcome)
            earlier.done.set()

    def find(self, call: ToolCall) -> EarlierCall | None:
        """Returns the call that asked for the same thing before, or None."""
        return self._calls.get(canonical(call))

    def add(self, call: ToolCall) -> EarlierCall:
        """Registers a call that is about to run; the caller sets its outcome, then `done`."""
        earlier = self._calls[canonical(call)] = EarlierCall()
        return earlier

    def answered(self) -> dict[CallKey, ToolOutcome]:
        """Returns the outcomes of the calls that a tool answered, for `known` of another turn."""
        outcomes = ((key, earlier.outcome) for key, earlier in self._calls.items())
        return {key: one for key, one in outcomes if one is not None and one.outcome == "ok"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The conversation that a call belongs to.

    `allow` and `deny` narrow what the settings permit, and never widen it. `approve` is asked
    before a tool that needs approval runs; without it such tools are denied. `on_progress` is
    called in the event loop's thread, and never after the call's outcome.

    What the turn adds: `offered` are the names of the tools that the engine was offered in this
    round (None: any; empty: it must answer without tools), `client_tools` are the names of the
    tools that the client runs, `commit` is set once the question is certain (None: it is), and
    `earlier` are the calls that the turn made before.
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
    offered: Collection[str] | None = None
    client_tools: Collection[str] = ()
    commit: anyio.Event | None = None
    earlier: EarlierCalls | None = None

    def offers(self, name: str) -> bool:
        """Returns whether the engine was offered the tool in this round."""
        return self.offered is None or name in self.offered
