"""POST /generate and /generate/stream, as vox-serve has them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel
from starlette.responses import Response

from assistant.audio.samples import Audio
from assistant.events import Event
from assistant.server.audio.encode import FORMATS, encode
from assistant.server.auth.access import access_of, require
from assistant.server.generate import schema
from assistant.server.generate.schema import GenerateRequest
from assistant.server.generate.text_streams import TextStream, TextStreams
from assistant.server.http.errors import DetailBody
from assistant.server.http.streaming import Stream, unless_disconnected
from assistant.server.request_audio import read_inside, read_upload
from assistant.server.state import get_state
from assistant.server.turns import (
    admitted,
    audio_bytes,
    begin,
    check_speech_text,
    collect,
    open_session,
)

_ERROR = {"model": DetailBody, "description": "What is wrong."}
router = APIRouter(
    prefix="/generate",
    tags=["generate"],
    responses={"4XX": _ERROR, "5XX": _ERROR},
)
_WAV = FORMATS["wav"]
_READ = [Depends(require("audio"))]
_AUDIO_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {_WAV.content_type: {"schema": {"type": "string", "format": "binary"}}}}
}


class Started(BaseModel):
    request_id: str


class Accepted(BaseModel):
    status: str = "ok"


@router.post("", response_class=Response, responses=_AUDIO_CONTENT, openapi_extra=schema.BODY)
async def create_audio(request: Request) -> Response:
    """Reads a text aloud (scope `audio`), or responds to a text with a recording (scope `chat`).

    WAV, 24 kHz mono.
    """
    access = access_of(request)
    if not access.key.scopes & {"audio", "chat"}:
        access.check("audio")
    try:
        body = await _read_body(request)
        access.check("chat" if body.audio or body.audio_path else "audio")
        audio = await _audio_of(request, body)
    finally:
        await request.close()  # the files of a form
    options: dict[str, Any] = {"voice": body.speaker, "language": body.language}
    if audio is None:
        check_speech_text(request, body.text, "text")
        asked = open_session(request, allow=(), **options).ask(body.text, task="read")
    else:
        asked = open_session(request, **options).ask(body.text, audio)
    turn = await begin(request, asked)
    if body.streaming:
        pieces = audio_bytes(turn, _WAV, header_alone=True)
        return _stream(request, pieces)
    async with aclosing(turn):
        answer = await unless_disconnected(request, partial(collect, turn))
    return Response(encode(_WAV, answer.chunks), media_type=_WAV.content_type)


async def _read_body(request: Request) -> GenerateRequest:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return schema.validate(schema.parse_json(await request.body()))
    return schema.validate(dict(await request.form(max_files=1, max_fields=32)))


async def _audio_of(request: Request, body: GenerateRequest) -> Audio | None:
    if body.audio is not None:
        return await read_upload(request, body.audio)
    if body.audio_path:
        return await read_inside(request, body.audio_path)
    return None


def _stream(request: Request, pieces: AsyncGenerator[bytes, None]) -> Stream:
    stall_s = get_state(request).settings.limits.stall_s
    return Stream(pieces, media_type=_WAV.content_type, stall_s=stall_s)


@router.post("/stream/start", dependencies=_READ)
async def start_text(request: Request) -> Started:
    """A text that will come word by word. Open its audio first."""
    streams: TextStreams = get_state(request).get(TextStreams)
    return Started(request_id=streams.start(access_of(request).owner))


@router.get(
    "/stream/{request_id}/audio",
    dependencies=_READ,
    response_class=Response,
    responses=_AUDIO_CONTENT,
)
async def listen(request: Request, request_id: str) -> Response:
    """Returns the audio of the text as it arrives; can be opened once."""
    stream = _find(request, request_id)
    stream.take()
    return _stream(request, _speak(request, request_id, stream))


async def _speak(
    request: Request, request_id: str, stream: TextStream
) -> AsyncGenerator[bytes, None]:
    session = open_session(request, allow=())
    streams: TextStreams = get_state(request).get(TextStreams)

    def read(sentence: str) -> AsyncGenerator[Event, None]:
        return admitted(request, session.ask(sentence, task="read"))

    try:
        async with aclosing(stream.speak(read)) as pieces:
            async for piece in pieces:
                yield piece
    finally:
        streams.drop(request_id, access_of(request).owner)


@router.post("/stream/{request_id}/text", dependencies=_READ)
async def add_text(request: Request, request_id: str, text: Annotated[str, Form()]) -> Accepted:
    """The next word, or words."""
    _find(request, request_id).add(text)
    return Accepted()


@router.post("/stream/{request_id}/end", dependencies=_READ)
async def end_text(request: Request, request_id: str) -> Accepted:
    """Ends the text."""
    _find(request, request_id).end()
    return Accepted()


def _find(request: Request, request_id: str) -> TextStream:
    streams: TextStreams = get_state(request).get(TextStreams)
    return streams.get(request_id, access_of(request).owner)
