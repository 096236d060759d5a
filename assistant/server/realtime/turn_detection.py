"""Maps a client's `turn_detection` to the settings of a live conversation.

A client that names a silence gets that one, as from OpenAI. Otherwise the server's two silences
apply, the short one after complete sentences; `eagerness` scales both.
"""

from __future__ import annotations

from typing import Any

from assistant.config import LiveSettings
from assistant.server.realtime.session_config import TurnDetection

_EAGERNESS = {"low": 2.0, "medium": 1.0, "auto": 1.0, "high": 0.6}


def live_settings(detection: TurnDetection | None, server: LiveSettings) -> LiveSettings:
    """Figures out of range are taken as the nearest ones within."""
    if detection is None:
        return server
    if detection.type == "semantic_vad":
        factor = _EAGERNESS[detection.eagerness or "auto"]
        changes = {
            "silence_ms": _within(round(server.silence_ms * factor), 100, 10_000),
            "long_silence_ms": _within(round(server.long_silence_ms * factor), 100, 20_000),
        }
    else:
        changes = _server_vad(detection)
    if not detection.interrupts:
        changes["interrupt"] = False
    return server.model_copy(update=changes)


def _server_vad(detection: TurnDetection) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if detection.threshold is not None:
        changes["threshold"] = _within(detection.threshold, 0.01, 0.99)
    if detection.prefix_padding_ms is not None:
        changes["prefix_ms"] = _within(detection.prefix_padding_ms, 0, 2_000)
    if detection.silence_duration_ms is not None:
        silence = _within(detection.silence_duration_ms, 100, 10_000)
        changes["silence_ms"] = changes["long_silence_ms"] = silence
    return changes


def detection_to_json(
    detection: TurnDetection | None, server: LiveSettings
) -> dict[str, Any] | None:
    """Returns the turn detection with the values that apply."""
    if detection is None:
        return None
    answers = {
        "create_response": detection.answers,
        "interrupt_response": detection.interrupts and server.interrupt,
    }
    if detection.type == "semantic_vad":
        return {
            "type": "semantic_vad",
            "eagerness": detection.eagerness or "auto",
            **answers,
        }
    settings = live_settings(detection, server)
    return {
        "type": "server_vad",
        "threshold": settings.threshold,
        "prefix_padding_ms": settings.prefix_ms,
        "silence_duration_ms": settings.silence_ms,
        **answers,
    }


def _within(value: Any, low: Any, high: Any) -> Any:
    return min(max(value, low), high)
