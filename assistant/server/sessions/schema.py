"""/v1/sessions: what comes in and goes out."""

from __future__ import annotations

import base64
import io
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from assistant.audio.encode import write_wav
from assistant.audio.samples import Pcm16
from assistant.events import (
    AudioChunk,
    Event,
    Latency,
    ToolCallFinished,
    ToolCallStarted,
    Transcript,
    TurnEnded,
    TurnStarted,
)
from assistant.messages import Outcome
from assistant.server.http.errors import too_large
from assistant.server.sessions.store import SessionRecord
from assistant.server.turns import MAX_COLLECTED_S

_Name = Annotated[str, Field(max_length=64)]
_Value = Annotated[str, Field(max_length=512)]


class NewSession(BaseModel):
    """A new conversation; fields left out are as in the server's settings."""

    system_prompt: str | None = Field(default=None, max_length=50_000)
    voice: str | None = Field(default=None, max_length=200)
    language: str | None = Field(default=None, max_length=35)
    """BCP 47 tag of the language to respond in."""
    tools: list[_Name] | None = Field(default=None, max_length=500)
    """Only these tools; none in an empty list."""
    speak: bool = True
    """False for responses in text only."""
    metadata: dict[_Name, _Value] = Field(default={}, max_length=16)
    """Stored with the session and returned, such as a customer's number."""


class SessionInfo(BaseModel):
    id: str
    object: Literal["session"] = "session"
    created_at: int
    expires_at: int
    system_prompt: str
    voice: str
    language: str
    tools: list[str] | None
    speak: bool
    turns: int
    metadata: dict[str, Any]

    @classmethod
    def of(cls, record: SessionRecord) -> SessionInfo:
        return cls(
            id=record.id,
            created_at=int(record.created_at),
            expires_at=int(record.expires_at),
            system_prompt=record.system_prompt,
            voice=record.voice,
            language=record.language,
            tools=None if record.tools is None else list(record.tools),
            speak=record.speak,
            turns=record.turns,
            metadata=record.metadata,
        )


class SessionList(BaseModel):
    object: Literal["list"] = "list"
    data: list[SessionInfo]


class History(BaseModel):
    """The messages, oldest first; of each its `role`, and what that role has."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]


class AudioInput(BaseModel):
    """Base64 of an audio file (any that soundfile reads), or of raw samples with `pcm16`."""

    data: str
    format: str = "wav"
    sample_rate: int = Field(default=24_000, ge=8_000, le=192_000)
    """Sample rate of `pcm16` (little-endian, mono), in Hz; a file has its own."""


class TurnRequest(BaseModel):
    """The user turn: a text, audio, or both."""

    text: str | None = Field(default=None, max_length=1_000_000)
    audio: AudioInput | None = None
    audio_url: str | None = Field(
        default=None, description="data:, http: or https: URL of an audio file"
    )
    stream: bool = True
    """False for one response at the end instead of events."""
    interrupt: bool = False
    """Stops a turn of this session that is still running; otherwise that is a 409."""


class ToolCallInfo(BaseModel):
    id: str
    name: str
    arguments: str
    outcome: Outcome
    seconds: float
    result: str
    data: Any = None


class TurnAnswer(BaseModel):
    """A whole turn. `audio` is base64 of WAV, 24 kHz mono; null if nothing was spoken."""

    id: str = ""
    object: Literal["session.turn"] = "session.turn"
    reason: Literal["completed", "cancelled", "failed"] = "cancelled"
    transcript: str = ""
    text: str = ""
    audio: str | None = None
    audio_seconds: float = 0.0
    tool_calls: list[ToolCallInfo] = []
    latency: Latency | None = None


class TurnCollector:
    """Puts the events of a turn together."""

    def __init__(self) -> None:
        self.answer = TurnAnswer()
        self._pieces: list[Pcm16] = []
        self._arguments: dict[str, str] = {}
        self._seconds = 0.0

    def add(self, event: Event) -> None:
        """Adds an event. Raises ApiError if the audio is longer than MAX_COLLECTED_S."""
        answer = self.answer
        match event:
            case TurnStarted():
                answer.id = event.turn_id
            case Transcript():
                answer.transcript = event.text
            case AudioChunk():
                self._seconds += event.seconds
                if self._seconds > MAX_COLLECTED_S:
                    text = f"the audio is longer than {MAX_COLLECTED_S:g} s: ask for a stream"
                    raise too_large(text)
                self._pieces.append(event.samples)
            case ToolCallStarted():
                self._arguments[event.call_id] = event.arguments
            case ToolCallFinished():
                answer.tool_calls.append(self._call(event))
            case TurnEnded():
                answer.reason, answer.text = event.reason, event.text
                answer.audio_seconds, answer.latency = event.audio_seconds, event.latency
                answer.audio = self._wav() if self._pieces else None

    def _call(self, event: ToolCallFinished) -> ToolCallInfo:
        return ToolCallInfo(
            id=event.call_id,
            name=event.name,
            arguments=self._arguments.get(event.call_id, "{}"),
            outcome=event.outcome,
            seconds=event.seconds,
            result=event.result,
            data=event.data,
        )

    def _wav(self) -> str:
        buffer = io.BytesIO()
        write_wav(buffer, self._pieces)
        return base64.b64encode(buffer.getvalue()).decode("ascii")
