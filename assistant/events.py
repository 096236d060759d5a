"""The events of a turn. Every turn begins with TurnStarted and ends with TurnEnded, also if it
fails or is cancelled.

    turn_started
      transcript?                          once, when the user's audio was transcribed
      (text_delta | audio)*                the lead-in
      tool_call_started  tool_progress*  tool_call_finished  voice_changed?     calls overlap
      (text_delta | audio)*                the response
      failed?
    turn_ended
"""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic_core import to_jsonable_python

from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.messages import Outcome, ToolCall


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """A turn has begun. Its id is unique within the session."""

    type: ClassVar[Literal["turn_started"]] = "turn_started"
    turn_id: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of what the user said, if the engine transcribes it."""

    type: ClassVar[Literal["transcript"]] = "transcript"
    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the response's text; joined, the pieces are the whole text."""

    type: ClassVar[Literal["text_delta"]] = "text_delta"
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """The next piece of the response's audio: 24 kHz mono int16, shape (n,), without a gap.

    `start` is the second of the turn's audio at which it begins. `codes` are the engine's speech
    tokens, see `engines.base.Speech`.
    """

    type: ClassVar[Literal["audio"]] = "audio"
    start: float
    samples: Pcm16
    codes: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.samples) / OUTPUT_RATE


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """The model called a tool; `arguments` is the JSON text that it wrote."""

    type: ClassVar[Literal["tool_call_started"]] = "tool_call_started"
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolProgress:
    """A running tool reports its progress."""

    type: ClassVar[Literal["tool_progress"]] = "tool_progress"
    call_id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallFinished:
    """A call has ended. `result` is for the model to read, `data` for a program to use."""

    type: ClassVar[Literal["tool_call_finished"]] = "tool_call_finished"
    call_id: str
    name: str
    outcome: Outcome
    seconds: float
    result: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class VoiceChanged:
    """The audio that follows is in another voice."""

    type: ClassVar[Literal["voice_changed"]] = "voice_changed"
    voice: str
    description: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn could not be completed; `message` is one line for people.

    `fault` tells whether the input was at fault (audio that can't be used, a task that the engine
    can't do) or the engine.
    """

    type: ClassVar[Literal["failed"]] = "failed"
    message: str
    fault: Literal["input", "engine"] = "engine"


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the start of the turn; `tools` is the time in which at least one tool ran."""

    first_text: float | None
    first_audio: float | None
    tools: float
    total: float


@dataclass(frozen=True, slots=True)
class Usage:
    """The number of tokens in all steps of the engine; 0 if the engine doesn't count them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over, and the history holds it.

    `calls` are calls of the client's own tools; they stay open until the client sends their
    results. `cut_off` tells that the response reached the limit of tokens.
    """

    type: ClassVar[Literal["turn_ended"]] = "turn_ended"
    reason: Literal["completed", "cancelled", "failed"]
    text: str
    audio_seconds: float
    latency: Latency
    calls: tuple[ToolCall, ...] = ()
    cut_off: bool = False
    usage: Usage = Usage()


Event = (
    TurnStarted
    | Transcript
    | TextDelta
    | AudioChunk
    | ToolCallStarted
    | ToolProgress
    | ToolCallFinished
    | VoiceChanged
    | Failed
    | TurnEnded
)


def to_json(event: Event, *, with_samples: bool = False) -> dict[str, Any]:
    """Returns the event as JSON values, its `type` first.

    Samples, if wanted, are base64 of little-endian int16.
    """
    if isinstance(event, AudioChunk):
        value = {"type": event.type, "start": event.start, "seconds": event.seconds}
        if with_samples:
            raw = event.samples.astype("<i2", copy=False).tobytes()
            value["samples"] = base64.b64encode(raw).decode("ascii")
        return value
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    # The data of a tool may be anything; what JSON can't hold becomes its str().
    return {"type": event.type, **to_jsonable_python(fields, fallback=str)}
