"""POST /v1/audio/speech."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

import anyio
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from assistant.server.audio.encode import FORMATS, encode
from assistant.server.auth.access import require
from assistant.server.http import sse
from assistant.server.http.errors import ERRORS
from assistant.server.http.streaming import Stream, unless_disconnected
from assistant.server.speech.schema import SpeechRequest, audio_events
from assistant.server.state import get_state
from assistant.server.turns import (
    audio_bytes,
    begin,
    check_speech_text,
    collect,
    open_session,
)

router = APIRouter(
    prefix="/v1", tags=["audio"], dependencies=[Depends(require("audio"))], responses=ERRORS
)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_AUDIO_CONTENT = {audio_format.content_type: _BINARY for audio_format in FORMATS.values()}


@router.post(
    "/audio/speech",
    response_class=Response,
    responses={200: {"content": {**_AUDIO_CONTENT, **sse.DESCRIBED}}},
)
async def create_speech(request: Request, body: SpeechRequest) -> Response:
    """Reads a text aloud, 24 kHz mono.

    PCM, MP3 and Opus are streamed; WAV and FLAC are sent as whole files, unless `stream` or
    `stream_format` asks for a stream. `instructions` replace the system prompt.
    """
    body.check()
    check_speech_text(request, body.input, "input")
    audio_format = body.format
    session = open_session(
        request,
        voice=body.voice,
        language=body.language,
        system_prompt=body.instructions,
        allow=(),
    )
    turn = await begin(request, session.ask(body.input, task="read"))
    stall_s = get_state(request).settings.limits.stall_s
    if body.stream_format == "sse":
        events = audio_events(audio_bytes(turn, audio_format))
        return Stream(events, media_type=sse.MEDIA_TYPE, stall_s=stall_s)
    if body.streams:
        return Stream(
            audio_bytes(turn, audio_format), media_type=audio_format.content_type, stall_s=stall_s
        )
    async with aclosing(turn):
        answer = await unless_disconnected(request, partial(collect, turn))
    data = await anyio.to_thread.run_sync(encode, audio_format, answer.chunks)
    return Response(data, media_type=audio_format.content_type)
