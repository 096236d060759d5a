"""The session of the Realtime API: its models, and how an update is merged into it.

An update is partial at every depth: fields that are left out stay, and null clears a field if null
has a meaning. Fields that are unknown, or not supported, are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from assistant.messages import ToolSchema
from assistant.server.openai_types import Language, Lenient, VoiceName

FormatName = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
RATES: dict[FormatName, int] = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}


class AudioFormat(Lenient):
    type: FormatName = "audio/pcm"
    rate: Literal[24_000] | None = None

    def to_json(self) -> dict[str, Any]:
        rate = {"rate": 24_000} if self.type == "audio/pcm" else {}
        return {"type": self.type, **rate}


class Transcription(Lenient):
    model: str | None = None
    language: Language | None = None
    prompt: str | None = None

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class NoiseReduction(Lenient):
    """Stored and sent back; it changes nothing."""

    type: Literal["near_field", "far_field"] | None = None

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class TurnDetection(Lenient):
    """Turn detection. Values are None if the server's settings apply."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    prefix_padding_ms: int | None = Field(default=None, ge=0)
    silence_duration_ms: int | None = Field(default=None, ge=0)
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None

    @property
    def answers(self) -> bool:
        return self.create_response is not False

    @property
    def interrupts(self) -> bool:
        return self.interrupt_response is not False


def _detection(value: Any) -> Any:
    """`{"type": "none"}` is an old way of saying null."""
    return None if isinstance(value, dict) and value.get("type") == "none" else value


class AudioInput(Lenient):
    format: AudioFormat = AudioFormat()
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: Annotated[TurnDetection | None, BeforeValidator(_detection)] = TurnDetection()


class AudioOutput(Lenient):
    """`speed` is taken and changes nothing."""

    format: AudioFormat = AudioFormat()
    voice: VoiceName = None


class AudioConfig(Lenient):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class FunctionTool(Lenient):
    type: Literal["function"] = "function"
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None

    def schema_of(self) -> ToolSchema:
        parameters = self.parameters or {"type": "object", "properties": {}}
        return ToolSchema(self.name, self.description or "", parameters)


class NamedFunction(Lenient):
    type: Literal["function"] = "function"
    name: str


def _modality(value: Any) -> Any:
    """Speech has a transcript anyway, so "both" is speech."""
    return ["audio"] if isinstance(value, list) and "audio" in value else value


Modalities = Annotated[tuple[Literal["audio", "text"]], BeforeValidator(_modality)]
Tools = Annotated[tuple[FunctionTool, ...], Field(max_length=128)]
ToolChoice = Literal["none", "auto", "required"] | NamedFunction
MaxTokens = Annotated[int, Field(ge=1)] | Literal["inf"]


def choice_of(choice: ToolChoice) -> str:
    """Returns the choice in the form of `Session.ask`."""
    return choice.name if isinstance(choice, NamedFunction) else choice


class SessionConfig(Lenient):
    """The configuration of a session. `instructions`: empty if the server's own apply."""

    type: Literal["realtime", "transcription"] = "realtime"
    model: str = ""
    instructions: str = ""
    output_modalities: Modalities = ("audio",)
    tools: Tools = ()
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxTokens = "inf"
    tracing: Literal["auto"] | dict[str, Any] | None = None
    audio: AudioConfig = AudioConfig()

    @property
    def speaks(self) -> bool:
        return self.output_modalities == ("audio",)


class ExpiresAfter(Lenient):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=600, ge=10, le=7_200)


class SecretRequest(Lenient):
    """POST /v1/realtime/client_secrets. `session`: what its conversations begin with."""

    expires_after: ExpiresAfter = ExpiresAfter()
    session: dict[str, Any] = Field(default_factory=dict)


class SecretAnswer(Lenient):
    value: str
    expires_at: int
    session: dict[str, Any]


Json = dict[str, Any]

_NULLABLE = frozenset({"turn_detection", "transcription", "noise_reduction", "tracing"})
_WHOLE = frozenset({"format", "tool_choice", "tracing"})
"""Replaced, not merged: half of an old value means nothing beside half of a new one."""


def merged(old: Mapping[str, Any], update: Mapping[str, Any]) -> Json:
    """The values after an update, not yet checked."""
    values = dict(old)
    for key, value in update.items():
        before = values.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and key not in _WHOLE:
            values[key] = dict(value) if _other_kind(key, before, value) else merged(before, value)
        elif value is not None or key in _NULLABLE:
            values[key] = value
        elif not isinstance(before, dict):
            values.pop(key, None)
    return values


def _other_kind(key: str, before: Json, value: Json) -> bool:
    kind = before.get("type", "server_vad")
    return key == "turn_detection" and value.get("type", kind) != kind


def config_to_json(config: SessionConfig, *, voice: str, detection: Json | None) -> Json:
    """The session as clients read it; without what changes with every connection.

    `detection`: of turns, with the figures that hold.
    """
    audio = config.audio.input
    audio_in = {
        "format": audio.format.to_json(),
        "transcription": audio.transcription.to_json() if audio.transcription else None,
        "noise_reduction": audio.noise_reduction.to_json() if audio.noise_reduction else None,
        "turn_detection": detection,
    }
    if config.type == "transcription":
        return {"type": "transcription", "audio": {"input": audio_in}}
    spoken = {"format": config.audio.output.format.to_json(), "voice": voice, "speed": 1.0}
    return {
        "type": "realtime",
        "model": config.model,
        "instructions": config.instructions,
        "output_modalities": list(config.output_modalities),
        "tools": [tool.model_dump(exclude_none=True) for tool in config.tools],
        "tool_choice": choice_shown(config.tool_choice),
        "max_output_tokens": config.max_output_tokens,
        "tracing": config.tracing,
        "audio": {"input": audio_in, "output": spoken},
    }


def choice_shown(choice: ToolChoice) -> str | Json:
    return choice if isinstance(choice, str) else choice.model_dump()
