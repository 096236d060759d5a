"""What happens in a turn, as the caller sees it. Every turn begins with TurnStarted and ends with
TurnEnded, also when it fails or is cancelled.

    turn_started
      transcript?                          once, when the user's audio was heard as text
      (text_delta | audio)*                the lead-in
      tool_call_started  tool_progress*  tool_call_finished  voice_changed?     calls overlap
      (text_delta | audio)*                the answer
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
    """A turn has begun; its id is on no other turn of the session."""

    type: ClassVar[Literal["turn_started"]] = "turn_started"
    turn_id: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the user said, where the engine makes text of it."""

    type: ClassVar[Literal["transcript"]] = "transcript"
    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text; joined, the pieces are the whole text."""

    type: ClassVar[Literal["text_delta"]] = "text_delta"
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """The next piece of the answer's sound: 24 kHz mono, int16, gapless after the one before."""

    type: ClassVar[Literal["audio"]] = "audio"
    start: float  # seconds from the beginning of this turn's sound
    samples: Pcm16
    codes: tuple[int, ...] = ()  # speech tokens of the engine, see Speech

    @property
    def seconds(self) -> float:
        return len(self.samples) / OUTPUT_RATE


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """A tool was asked for; `arguments` as the model gave them (JSON text)."""

    type: ClassVar[Literal["tool_call_started"]] = "tool_call_started"
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolProgress:
    """A running tool says how far it is."""

    type: ClassVar[Literal["tool_progress"]] = "tool_progress"
    call_id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallFinished:
    """A call has its outcome. `result` is what the model reads, `data` what a program may use."""

    type: ClassVar[Literal["tool_call_finished"]] = "tool_call_finished"
    call_id: str
    name: str
    outcome: Outcome
    seconds: float
    result: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class VoiceChanged:
    """What follows is spoken in another timbre."""

    type: ClassVar[Literal["voice_changed"]] = "voice_changed"
    voice: str
    description: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn could not be finished; one line for people.

    `fault`: what was at fault, what came in (a sound that can't be used,
    a task that the engine can't do) or the engine.
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
    """Tokens of all the engine's steps in a turn, 0 where an engine counts none."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over and the history holds it.

    `calls` are those of the client's own tools: they are open until the client gives their
    results. `cut_off`: the answer reached the limit of tokens.
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
    """The event as JSON values, its `type` first; samples as base64 of little-endian int16."""
    if isinstance(event, AudioChunk):
        value = {"type": event.type, "start": event.start, "seconds": event.seconds}
        if with_samples:
            raw = event.samples.astype("<i2", copy=False).tobytes()
            value["samples"] = base64.b64encode(raw).decode("ascii")
        return value
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    # What a tool gives as data may be anything; nothing of it is worth an error here.
    return {"type": event.type, **to_jsonable_python(fields, fallback=str)}
