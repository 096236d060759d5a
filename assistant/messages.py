"""The messages of a conversation's history, and the tool calls inside them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.audio.samples import Audio

Outcome = Literal["ok", "error", "timeout", "cancelled", "denied", "unknown"]
"""The outcome of a tool call. Every call ends in exactly one of them:

- `ok`: the tool returned a result;
- `error`: its arguments were wrong, or it raised;
- `timeout`: it took longer than allowed;
- `cancelled`: the turn was stopped before it ended;
- `denied`: not allowed in this session, or the approval was refused;
- `unknown`: no tool has that name.
"""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model wrote it. `arguments` is JSON text that was not validated yet.

    `problem` says what is malformed in the call (broken JSON, no name). Such a call does not run,
    and the model reads the problem as its outcome.
    """

    id: str
    name: str
    arguments: str = "{}"
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool as the model reads it. `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]
    examples: tuple[str, ...] = ()  # requests of a user that need this tool
    lead_in: str = ""  # phrases to speak while it runs, in English

    def to_openai(self) -> dict[str, Any]:
        """The form of OpenAI's function tools, which Step-Audio 2 was trained on."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}


_PROCESS = uuid.uuid4().hex[:16]
_next_number = itertools.count().__next__


def new_message_id() -> str:
    """Returns an id that no other message has: of this process and a number.

    A random id for each message would take most of the time that a long history takes to build.
    """
    return f"msg_{_PROCESS}{_next_number():016x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identified:
    """`id` names the message in its history; `dataclasses.replace` keeps it, `==` ignores it."""

    id: str = field(default_factory=new_message_id, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SystemMessage(_Identified):
    """Instructions for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class UserMessage(_Identified):
    """The user's turn, typed and spoken. `transcript` is the text of the audio,
    once it is known.
    """

    parts: tuple[str | Audio, ...]
    transcript: str = ""

    @property
    def text(self) -> str:
        """The typed parts, followed by the transcript of the spoken ones."""
        typed = " ".join(part for part in self.parts if isinstance(part, str))
        return " ".join(filter(None, (typed, self.transcript)))

    @property
    def audio(self) -> tuple[Audio, ...]:
        """The spoken parts."""
        return tuple(part for part in self.parts if isinstance(part, Audio))


@dataclass(frozen=True, slots=True)
class AssistantMessage(_Identified):
    """The model's words, its lead-in included, and the calls that followed.

    `tokens` are the ids that an engine generated. That engine puts them back into its prompt as
    they are, so that its KV cache stays valid.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    tokens: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ToolMessage(_Identified):
    """The outcome of one call, as the model reads it."""

    call: ToolCall
    outcome: Outcome
    text: str


_OVERHEAD = 500
"""The bytes of an empty message and its id."""

Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


def size_of(message: Message) -> int:
    """Returns about how many bytes a message takes in memory: its text, tokens and audio."""
    match message:
        case SystemMessage():
            size = len(message.text)
        case UserMessage():
            size = len(message.transcript)
            size += sum(
                len(part) if isinstance(part, str) else part.samples.nbytes
                for part in message.parts
            )
        case AssistantMessage():
            size = len(message.text) + 8 * len(message.tokens)
            size += sum(len(call.name) + len(call.arguments) for call in message.calls)
        case ToolMessage():
            size = len(message.call.arguments) + len(message.text)
    return _OVERHEAD + size


def open_calls(history: Sequence[Message]) -> list[ToolCall]:
    """Returns the calls that have no outcome yet.

    Between turns these are calls of the client's own tools whose results have not arrived.
    """
    calls: dict[str, ToolCall] = {}
    for message in history:
        if isinstance(message, AssistantMessage):
            calls.update({call.id: call for call in message.calls})
        elif isinstance(message, ToolMessage):
            calls.pop(message.call.id, None)
    return list(calls.values())
