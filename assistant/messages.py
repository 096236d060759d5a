"""What is said in a conversation: the messages of its history, and tool calls inside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.audio import Sound

Outcome = Literal["ok", "error", "timeout", "cancelled", "denied", "unknown"]
"""How a tool call ended. Every call ends in exactly one of them:

- `ok`: the tool answered;
- `error`: its arguments were wrong, or it raised;
- `timeout`: it took longer than allowed;
- `cancelled`: the turn was stopped before it ended;
- `denied`: not allowed in this session, or the approval was refused;
- `unknown`: no tool has that name.
"""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model made it. `arguments` is JSON text, not yet checked.

    `problem` says what is malformed in the call (broken JSON, no name); the call is then not
    run, and the model reads the problem as its outcome.
    """

    id: str
    name: str
    arguments: str = "{}"
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """What the model is told of a tool. `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]
    examples: tuple[str, ...] = ()  # things a user may say that call for this tool
    lead_in: str = ""  # what may be said while it runs, in English

    def to_openai(self) -> dict[str, Any]:
        """The form of OpenAI's function tools, which Step-Audio 2 was trained on."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class SystemMessage:
    text: str


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What the user said. `transcript` is what an engine heard in the sounds, once it has."""

    parts: tuple[str | Sound, ...]
    transcript: str = ""

    @property
    def text(self) -> str:
        """The typed parts, or the transcript where all was spoken."""
        typed = " ".join(part for part in self.parts if isinstance(part, str))
        return " ".join(filter(None, (typed, self.transcript)))


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said, its lead-in included, and the calls it made after that.

    `tokens` are the ids that an engine generated, for that engine to put back as they were.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    tokens: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """The outcome of one call, as the model reads it."""

    call: ToolCall
    outcome: Outcome
    text: str


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


def open_calls(history: Sequence[Message]) -> list[ToolCall]:
    """The calls of a history that have no outcome: in a history made by turns, those that the
    client runs and has given no result for yet.
    """
    answered = {message.call.id for message in history if isinstance(message, ToolMessage)}
    calls = [c for m in history if isinstance(m, AssistantMessage) for c in m.calls]
    return [call for call in calls if call.id not in answered]
