"""The responses of POST /v1/audio/transcriptions and /translations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

ResponseFormat = Literal["json", "text", "verbose_json", "srt", "vtt"]
Json = dict[str, Any]


class Segment(BaseModel):
    id: int
    start: float
    end: float
    text: str


class DurationUsage(BaseModel):
    type: Literal["duration"]
    seconds: float


class Transcription(BaseModel):
    """`json` has `text` and `usage`, `verbose_json` the rest too."""

    text: str
    usage: DurationUsage
    task: str | None = None
    language: str | None = None
    duration: float | None = None
    segments: list[Segment] | None = None


def short(text: str, seconds: float) -> Json:
    return {"text": text, "usage": usage(seconds)}


def usage(seconds: float) -> Json:
    return {"type": "duration", "seconds": round(seconds, 3)}


def verbose(text: str, seconds: float, *, task: str, language: str) -> Json:
    """One segment: engines don't say when a word was spoken."""
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": round(seconds, 3),
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    value = {"task": task, "language": language, "duration": round(seconds, 3)}
    return {**value, **short(text, seconds), "segments": [segment] if text else []}


def subtitles(text: str, seconds: float, *, audio_format: Literal["srt", "vtt"]) -> str:
    """One cue for all of it."""
    if audio_format == "srt":
        cue = f"{_time(0.0, ',')} --> {_time(seconds, ',')}\n{text}\n"
        return f"1\n{cue}\n" if text else ""
    cue = f"{_time(0.0, '.')} --> {_time(seconds, '.')}\n{text}\n"
    return f"WEBVTT\n\n{cue}\n" if text else "WEBVTT\n\n"


def _time(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{point}{milliseconds:03}"
