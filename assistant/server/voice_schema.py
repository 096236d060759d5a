"""/v1/voices: what goes out."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from assistant.audio.voice import Voice


class VoiceInfo(BaseModel):
    id: str
    object: Literal["voice"] = "voice"
    description: str
    language: str
    pitch_hz: float | None = None
    score: float | None = None
    """The score of a search: 1.0 is a perfect match."""

    @classmethod
    def of(cls, voice: Voice, score: float | None = None) -> VoiceInfo:
        return cls(
            id=voice.id,
            description=voice.description,
            language=voice.language,
            pitch_hz=voice.traits.pitch_hz if voice.traits else None,
            score=score,
        )


class VoiceList(BaseModel):
    object: Literal["list"] = "list"
    data: list[VoiceInfo]
