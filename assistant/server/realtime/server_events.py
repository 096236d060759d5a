"""/v1/realtime: what the server sends. Every event gets its `event_id` when it is sent.

Nothing outside of OpenAI's own events is here: some clients end a session for an event that they
don't know. Those of ours, for clients that asked for them, are in extensions.py.
"""

from __future__ import annotations

import secrets
from typing import Any, Literal

from assistant.events import Usage

Json = dict[str, Any]


def new_id(kind: Literal["item", "resp", "event", "sess"]) -> str:
    """Returns an id that nobody can guess."""
    return f"{kind}_{secrets.token_hex(12)}"


def error(
    message: str, *, code: str, param: str | None = None, event_id: str | None = None
) -> Json:
    kind = "server_error" if code == "server_error" else "invalid_request_error"
    detail = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
    return {"type": "error", "error": detail}


def session(kind: str, values: Json) -> Json:
    """`kind`: created or updated."""
    return {"type": f"session.{kind}", "session": values}


def speech_started(item_id: str, at_s: float) -> Json:
    return {
        "type": "input_audio_buffer.speech_started",
        "audio_start_ms": _ms(at_s),
        "item_id": item_id,
    }


def speech_stopped(item_id: str, at_s: float) -> Json:
    return {
        "type": "input_audio_buffer.speech_stopped",
        "audio_end_ms": _ms(at_s),
        "item_id": item_id,
    }


def committed(item_id: str, previous: str | None) -> Json:
    return {
        "type": "input_audio_buffer.committed",
        "item_id": item_id,
        "previous_item_id": previous,
    }


def cleared() -> Json:
    return {"type": "input_audio_buffer.cleared"}


def item_added(item: Json, previous: str | None) -> Json:
    return {"type": "conversation.item.added", "item": item, "previous_item_id": previous}


def item_done(item: Json, previous: str | None) -> Json:
    return {"type": "conversation.item.done", "item": item, "previous_item_id": previous}


def item_retrieved(item: Json) -> Json:
    return {"type": "conversation.item.retrieved", "item": item}


def item_deleted(item_id: str) -> Json:
    return {"type": "conversation.item.deleted", "item_id": item_id}


def item_truncated(item_id: str, content_index: int, audio_end_ms: int) -> Json:
    return {
        "type": "conversation.item.truncated",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": audio_end_ms,
    }


_TRANSCRIPTION = "conversation.item.input_audio_transcription"


def transcription_delta(item_id: str, text: str) -> Json:
    return {
        "type": f"{_TRANSCRIPTION}.delta",
        "item_id": item_id,
        "content_index": 0,
        "delta": text,
    }


def transcription_completed(item_id: str, text: str, seconds: float) -> Json:
    return {
        "type": f"{_TRANSCRIPTION}.completed",
        "item_id": item_id,
        "content_index": 0,
        "transcript": text,
        "usage": {"type": "duration", "seconds": round(seconds, 3)},
    }


def transcription_failed(item_id: str, message: str) -> Json:
    return {
        "type": f"{_TRANSCRIPTION}.failed",
        "item_id": item_id,
        "content_index": 0,
        "error": {"type": "server_error", "code": "transcription_failed", "message": message},
    }


def response(kind: str, values: Json) -> Json:
    """`kind`: created or done."""
    return {"type": f"response.{kind}", "response": values}


def output_item(kind: str, response_id: str, output_index: int, item: Json) -> Json:
    """`kind`: added or done."""
    return {
        "type": f"response.output_item.{kind}",
        "response_id": response_id,
        "output_index": output_index,
        "item": item,
    }


def content(
    kind: str, response_id: str, item_id: str, output_index: int = 0, **values: Any
) -> Json:
    """An event of an item's content, of which there is one part.

    `kind`: content_part.added, output_audio.delta, output_text.done, ...
    """
    return {
        "type": f"response.{kind}",
        "response_id": response_id,
        "item_id": item_id,
        "output_index": output_index,
        "content_index": 0,
        **values,
    }


def part(text: str, *, speaks: bool) -> Json:
    """Other names than in an item: `audio` and `text`."""
    return {"type": "audio", "transcript": text} if speaks else {"type": "text", "text": text}


def arguments(kind: str, response_id: str, output_index: int, item: Json, **values: Any) -> Json:
    """Returns the event of a function call's arguments; `kind`: delta or done."""
    return {
        "type": f"response.function_call_arguments.{kind}",
        "response_id": response_id,
        "item_id": item["id"],
        "output_index": output_index,
        "call_id": item["call_id"],
        **values,
    }


def usage(used: Usage) -> Json:
    """Tokens of text and of speech are counted together, as text."""
    read, made = used.prompt_tokens, used.completion_tokens
    cached = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
    return {
        "total_tokens": read + made,
        "input_tokens": read,
        "output_tokens": made,
        "input_token_details": {
            "text_tokens": read,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": cached,
        },
        "output_token_details": {"text_tokens": made, "audio_tokens": 0},
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
