"""A whole turn, for answers that are sent when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from assistant.audio.samples import Pcm16
from assistant.events import (
    AudioChunk,
    Event,
    Failed,
    ToolCallFinished,
    ToolCallStarted,
    ToolProgress,
    Transcript,
    TurnEnded,
    VoiceChanged,
    to_json,
)
from assistant.server.http.errors import ApiError

STEPS = (Transcript, ToolCallStarted, ToolProgress, ToolCallFinished, VoiceChanged)
"""What happens besides text and sound; clients see it in a field of ours."""


@dataclass
class Answer:
    """What a turn brought. `steps` are events as JSON."""

    ended: TurnEnded
    chunks: list[Pcm16] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    transcript: str = ""


async def collect(turn: AsyncIterator[Event]) -> Answer:
    """Reads the turn to its end. Raises ApiError: it failed, or was cancelled."""
    parts: dict[str, Any] = {"chunks": [], "codes": [], "steps": [], "transcript": ""}
    async for event in turn:
        match event:
            case AudioChunk():
                parts["chunks"].append(event.samples)
                parts["codes"].extend(event.codes)
            case TurnEnded():
                check_ended(event)
                return Answer(event, **parts)
            case Failed():
                raise failure(event)
            case _ if isinstance(event, STEPS):
                parts["steps"].append(to_json(event))
                if isinstance(event, Transcript):
                    parts["transcript"] = event.text
    raise AssertionError("a turn ends with TurnEnded")


def failure(event: Failed) -> ApiError:
    """What a client is told of a turn that failed."""
    return ApiError(event.message, status=400 if event.fault == "input" else 500)


def check_ended(ended: TurnEnded) -> None:
    """Raises ApiError when the turn was stopped by something else than its client."""
    if ended.reason == "cancelled":
        raise ApiError("The turn was stopped: the server is about to stop.", status=503)
