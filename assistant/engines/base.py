"""The protocol that every engine fulfils.

An engine is read-only and shared by all conversations. What belongs to one conversation (caches,
what the engine remembers of it) lives in the state object that `new_state` makes and that is
passed in again at every call; the session owns it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from assistant.audio import Pcm16, Voice
from assistant.config import Sampling
from assistant.events import TextDelta, Transcript
from assistant.messages import AssistantMessage, Message, ToolCall, ToolSchema

Task = Literal["answer", "transcribe", "translate", "interpret", "describe", "read", "continue"]
"""What to do with the last message:

- `answer`: the turn of a conversation, the only task in which tools are called;
- `transcribe`: write down what was said;
- `translate`: text of it in the request's language; `interpret`: spoken in it;
- `describe`: say what is to be heard;
- `read`: read the text aloud as it stands;
- `continue`: go on where the input ends (base models).
"""


@dataclass(frozen=True, slots=True)
class Speech:
    """The next piece of sound: 24 kHz mono int16, shape (n,).

    `codes` are the speech tokens (25 a second) that were generated since the piece before, where
    the engine makes its sound of such, for callers with a vocoder of their own.
    """

    samples: Pcm16
    codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """The last output: why it ended, and the ids generated, for AssistantMessage.tokens.

    `prompt_tokens` is how many ids went in, 0 where the engine counts none.
    """

    reason: Literal["stop", "length", "tool_calls"] = "stop"
    tokens: tuple[int, ...] = ()
    prompt_tokens: int = 0


EngineOutput = Transcript | TextDelta | Speech | ToolCall | Finish


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One step of a turn: everything said so far, and how to go on."""

    messages: Sequence[Message]
    tools: Sequence[ToolSchema] = ()  # none: it must answer without
    voice: Voice = field(default_factory=Voice)
    language: str = ""  # BCP 47; empty: that of the user
    speak: bool = True  # False: text only
    sampling: Sampling = field(default_factory=Sampling)
    task: Task = "answer"
    must_call: bool = False  # it must call one of the tools


class Engine(Protocol):
    """Hears, thinks, calls tools and speaks."""

    name: str

    def new_state(self) -> Any:
        """What the engine keeps of one conversation. Cheap: thousands may be open at once."""
        ...

    def stream(self, request: EngineRequest, state: Any) -> AsyncGenerator[EngineOutput, None]:
        """Goes on with the conversation until an answer or tool calls are complete.

        Ends with Finish. Closing the generator, or cancelling the task that reads it, stops the
        work within one step and leaves `state` fit for the next call. A request whose history
        differs from what the state has seen is not an error: the engine starts from the history.
        Raises EngineError (one line for people) and AudioError (the sound can't be used).
        """
        ...

    def warm_up(self) -> None:
        """Makes ready what the first answer would wait for. Blocks; servers begin with it."""
        ...

    def heard(self, message: AssistantMessage, seconds: float) -> AssistantMessage | None:
        """The message cut to what is heard in the first `seconds` of its sound.

        None where the engine can't tell from `message.tokens`; the loop then goes by time.
        """
        ...

    async def aclose(self) -> None:
        """Frees what the engine holds; no call may follow."""
        ...
