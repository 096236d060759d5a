"""The protocol of engines, an extension point.

An engine is read-only and shared by all conversations. What belongs to one conversation (caches,
what the engine remembers) is in the state that `new_state` returns and that is passed in again at
every call; the session owns it. A package adds an engine by an entry point of the group
`assistant.engines`, whose value is an EngineFactory; or a program passes one:
`Assistant(engine=...)`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from typing_extensions import Self

from assistant.audio.samples import Pcm16
from assistant.audio.voice import Voice
from assistant.config import Sampling, Settings
from assistant.events import TextDelta, Transcript
from assistant.messages import AssistantMessage, Message, ToolCall, ToolSchema

Task = Literal["answer", "transcribe", "translate", "interpret", "describe", "read", "continue"]
"""The task about the last message:

- `answer`: the turn of a conversation, the only task in which tools are called;
- `transcribe`: the speech as text;
- `translate`: its text in the request's language; `interpret`: spoken in it;
- `describe`: a description of the audio;
- `read`: the text, read aloud as it stands;
- `continue`: a continuation of the input (base models).
"""


@dataclass(frozen=True, slots=True)
class Speech:
    """The next piece of audio: 24 kHz mono int16, shape (n,).

    `codes` are the speech tokens (25 per second) that were generated since the last piece, if the
    engine generates any, for callers with a vocoder of their own.
    """

    samples: Pcm16
    codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """The last output: why the step ended, and the generated ids, for AssistantMessage.tokens.

    `prompt_tokens` is the number of ids in the prompt, 0 if the engine doesn't count them.
    """

    reason: Literal["stop", "length", "tool_calls"] = "stop"
    tokens: tuple[int, ...] = ()
    prompt_tokens: int = 0


EngineOutput = Transcript | TextDelta | Speech | ToolCall | Finish


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One step of a turn: all messages, and how to continue."""

    messages: Sequence[Message]
    tools: Sequence[ToolSchema] = ()  # empty: it must answer without tools
    voice: Voice = field(default_factory=Voice)
    language: str = ""  # BCP 47; empty: that of the user
    speak: bool = True  # False: text only
    sampling: Sampling = field(default_factory=Sampling)
    task: Task = "answer"
    must_call: bool = False  # True: it must call one of the tools


class EngineState(Protocol):
    """The state of one conversation between two calls of `stream`."""

    def copy(self) -> Self:
        """Returns a copy that later calls don't change, so that a turn can be dropped."""
        ...


class Engine(Protocol):
    """Understands audio and text, calls tools and speaks."""

    name: str
    """The name that the log and the list of models show."""

    def new_state(self) -> EngineState:
        """Returns the state of a new conversation. Cheap: thousands may be open at once."""
        ...

    # `state` is what new_state of the same engine returned; Any lets an engine name its own type.
    def stream(self, request: EngineRequest, state: Any) -> AsyncGenerator[EngineOutput, None]:
        """Continues the conversation until a response or tool calls are complete.

        Ends with Finish. Closing the generator, or cancelling the task that reads it, stops the
        work within one step and leaves `state` fit for the next call. A request whose history
        differs from what the state has seen is not an error: the engine starts from the history.
        Raises EngineError (one line for people) and AudioError (the audio can't be used).
        """
        ...

    def warm_up(self) -> None:
        """Loads everything that the first response would wait for. Blocks; servers call it at
        start-up.
        """
        ...

    def truncate(self, message: AssistantMessage, seconds: float) -> AssistantMessage | None:
        """Returns the message as far as it is spoken in the first `seconds` of its audio.

        None if `message.tokens` don't tell; the caller then estimates by time.
        """
        ...

    async def aclose(self) -> None:
        """Frees what the engine holds; no call may follow."""
        ...


EngineFactory = Callable[[Settings], Engine]
"""Returns the engine for these settings; called once, in a worker thread.

Raises EngineError if the engine can't start: one line for people. Another exception is reported as
one, too, with its type. Models may be loaded here or in `Engine.warm_up`.
"""
