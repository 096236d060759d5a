"""Messages as JSON, and their audio as FLAC.

FLAC at 16 kHz and 16 bit is exact for the models, at about half of WAV's size. If a recording has a
transcript, the recording is not stored by default: it is a hundred times larger, and it is
somebody's voice. A recording that was not stored is loaded as its transcript.
"""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any, Literal

import soundfile

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)

Keep = Literal["all", "untranscribed", "none"]
"""The recordings that are stored."""

STORED_RATE = 16_000
NOT_KEPT = "(a recording that was not kept)"


def encode(message: Message, keep: Keep) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Returns the message as JSON values, and its audio as FLAC files, to which the JSON refers."""
    match message:
        case SystemMessage():
            return {"role": "system", "text": message.text}, ()
        case UserMessage():
            return _encode_user(message, keep)
        case AssistantMessage():
            calls = [asdict(call) for call in message.calls]
            value = {"role": "assistant", "text": message.text, "calls": calls}
            return {**value, "tokens": list(message.tokens)}, ()
        case ToolMessage():
            call = asdict(message.call)
            text, outcome = message.text, message.outcome
            return {"role": "tool", "call": call, "outcome": outcome, "text": text}, ()


def _encode_user(message: UserMessage, keep: Keep) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    live = keep == "all" or (keep == "untranscribed" and not message.transcript)
    parts: list[Any] = []
    audio: list[bytes] = []
    for part in message.parts:
        if isinstance(part, str):
            parts.append(part)
        elif live:
            parts.append({"sound": len(audio)})
            audio.append(to_flac(part))
        else:
            parts.append({"sound": None})
    value = {"role": "user", "parts": parts, "transcript": message.transcript}
    return value, tuple(audio)


def decode(value: dict[str, Any], audio: tuple[bytes, ...] = ()) -> Message:
    """The message that `encode` was given; what it left out is replaced by the transcript."""
    match value["role"]:
        case "system":
            return SystemMessage(value["text"])
        case "user":
            return _decode_user(value, audio)
        case "assistant":
            calls = tuple(ToolCall(**call) for call in value["calls"])
            return AssistantMessage(value["text"], calls, tuple(value["tokens"]))
        case "tool":
            return ToolMessage(ToolCall(**value["call"]), value["outcome"], value["text"])
        case role:
            raise ValueError(f"a message of the unknown role {role!r}")


def _decode_user(value: dict[str, Any], audio: tuple[bytes, ...]) -> UserMessage:
    transcript = value["transcript"]
    left_out = {"sound": None} in value["parts"]
    parts: list[str | Audio] = []
    for part in value["parts"]:
        if isinstance(part, str):
            parts.append(part)
        elif part["sound"] is not None:
            parts.append(from_flac(audio[part["sound"]]))
    if left_out:
        parts.append(transcript or NOT_KEPT)
    return UserMessage(tuple(parts), "" if left_out else transcript)


def to_flac(audio: Audio) -> bytes:
    """16 kHz, 16 bit, mono."""
    buffer = io.BytesIO()
    samples = audio.resampled(STORED_RATE).to_pcm16()
    soundfile.write(buffer, samples, STORED_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def from_flac(data: bytes) -> Audio:
    return read_audio(io.BytesIO(data), max_seconds=float(2**31))


def to_public(message: Message) -> dict[str, Any]:
    """Returns the message for callers: without audio and token ids."""
    if isinstance(message, UserMessage):
        seconds = sum(part.seconds for part in message.parts if isinstance(part, Audio))
        return {"role": "user", "text": message.text, "audio_seconds": round(seconds, 3)}
    value, _ = encode(message, "none")
    value.pop("tokens", None)
    return value
