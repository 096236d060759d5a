"""The user turn of a session, from JSON or from a form with a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from assistant.audio.samples import Audio
from assistant.server.audio.fetch import decode_base64
from assistant.server.http.errors import ApiError
from assistant.server.request_audio import fetch_audio, read_audio
from assistant.server.sessions.schema import TurnRequest

RAW_FORMATS = ("pcm16", "pcm", "s16le")
_FORM = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "audio": {"type": "string", "format": "binary", "description": "An audio file."},
        "stream": {"type": "boolean", "default": True},
        "interrupt": {"type": "boolean", "default": False},
    },
}
TURN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": TurnRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            },
            "multipart/form-data": {"schema": _FORM},
        },
    }
}


@dataclass(frozen=True, slots=True)
class TurnInput:
    parts: tuple[str | Audio, ...]
    stream: bool
    interrupt: bool


async def read_turn(request: Request) -> TurnInput:
    """Reads the user turn. Raises ApiError or RequestValidationError for the body, AudioError for
    its audio.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _from_form(request)
    if kind not in ("application/json", ""):
        raise ApiError("send application/json or multipart/form-data", status=415)
    try:
        asked = TurnRequest.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    audio: list[Audio] = []
    if asked.audio is not None:
        raw = asked.audio.format.lower() in RAW_FORMATS
        data = decode_base64(asked.audio.data)
        rate = asked.audio.sample_rate if raw else None
        audio.append(await read_audio(request, data, raw_rate=rate))
    if asked.audio_url is not None:
        audio.append(await fetch_audio(request, asked.audio_url))
    return _input(asked, audio)


async def _from_form(request: Request) -> TurnInput:
    async with request.form(max_files=4, max_fields=20) as form:
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        asked = _checked(texts)
        uploads = [value for value in form.getlist("audio") if isinstance(value, UploadFile)]
        audio = [await read_audio(request, await upload.read()) for upload in uploads]
    return _input(asked, audio)


def _checked(texts: Mapping[str, str]) -> TurnRequest:
    try:
        return TurnRequest.model_validate(texts)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _input(asked: TurnRequest, audio: list[Audio]) -> TurnInput:
    texts = (asked.text,) if asked.text and asked.text.strip() else ()
    if not texts and not audio:
        raise ApiError("nothing was asked: send text, audio or audio_url")
    return TurnInput((*texts, *audio), asked.stream, asked.interrupt)
