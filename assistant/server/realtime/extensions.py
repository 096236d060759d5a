"""/v1/realtime?extensions=assistant: events of ours, for clients that asked for them."""

from __future__ import annotations

from typing import Any

from assistant.events import ToolCallFinished, ToolCallStarted, ToolProgress, VoiceChanged

Json = dict[str, Any]


def session(session_id: str, voice: str, resumable_s: float) -> Json:
    values = {"id": session_id, "voice": voice, "resumable_s": resumable_s}
    return {"type": "assistant.session", "session": values}


def tool_started(response_id: str, event: ToolCallStarted) -> Json:
    return {
        "type": "assistant.tool.started",
        "response_id": response_id,
        "call_id": event.call_id,
        "name": event.name,
        "arguments": event.arguments,
    }


def tool_progress(event: ToolProgress) -> Json:
    return {"type": "assistant.tool.progress", "call_id": event.call_id, "text": event.text}


def tool_finished(event: ToolCallFinished) -> Json:
    return {
        "type": "assistant.tool.finished",
        "call_id": event.call_id,
        "name": event.name,
        "outcome": event.outcome,
        "seconds": event.seconds,
        "result": event.result,
    }


def voice_changed(event: VoiceChanged) -> Json:
    return {
        "type": "assistant.voice.changed",
        "voice": event.voice,
        "description": event.description,
    }


def playback(kind: str, response_id: str) -> Json:
    """`kind`: paused or resumed."""
    return {"type": f"assistant.playback.{kind}", "response_id": response_id}


def playback_cleared(response_id: str, played_s: float, text: str) -> Json:
    return {
        "type": "assistant.playback.cleared",
        "response_id": response_id,
        "heard_ms": round(played_s * 1000),
        "text": text,
    }


def latency(
    response_id: str, *, first_audio_s: float | None, tools_s: float, speculated: bool
) -> Json:
    """`first_audio_s`: from the end of the user's speech to the first audio, in seconds."""
    return {
        "type": "assistant.latency",
        "response_id": response_id,
        "first_audio_ms": None if first_audio_s is None else round(first_audio_s * 1000),
        "tools_ms": round(tools_s * 1000),
        "speculated": speculated,
    }
