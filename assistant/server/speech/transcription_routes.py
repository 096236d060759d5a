"""POST /v1/audio/transcriptions and /v1/audio/translations."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, UploadFile
from starlette.responses import PlainTextResponse, Response

from assistant.audio.samples import Audio
from assistant.events import Event, Failed, TextDelta
from assistant.server.auth.access import require
from assistant.server.http import sse
from assistant.server.http.errors import ERRORS
from assistant.server.http.handlers import CompactJson
from assistant.server.http.streaming import Stream, unless_disconnected
from assistant.server.request_audio import read_upload
from assistant.server.special_tokens import SpecialTokenFilter, without_special_tokens
from assistant.server.speech import transcription
from assistant.server.speech.transcription import ResponseFormat, Transcription
from assistant.server.state import get_state
from assistant.server.turns import begin, collect, failure, open_session

_TEXTS = {"text/plain": {"schema": {"type": "string"}}, **sse.DESCRIBED}
router = APIRouter(
    prefix="/v1/audio", tags=["audio"], dependencies=[Depends(require("audio"))], responses=ERRORS
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of the form, besides the file. Others (`model`, `temperature`) have no effect."""

    language: str = ""
    prompt: str = ""
    response_format: ResponseFormat = "json"
    stream: bool = False


async def read_fields(
    model: Annotated[str, Form()] = "",
    language: Annotated[str, Form(max_length=35)] = "",
    prompt: Annotated[str, Form()] = "",
    response_format: Annotated[ResponseFormat, Form()] = "json",
    stream: Annotated[bool, Form()] = False,
) -> Fields:
    return Fields(language, prompt, response_format, stream)


AllFields = Annotated[Fields, Depends(read_fields)]


@router.post("/transcriptions", responses={200: {"model": Transcription, "content": _TEXTS}})
async def create_transcription(request: Request, file: UploadFile, fields: AllFields) -> Response:
    """Transcribes audio. `stream`: as server-sent events."""
    return await _recognize(request, file, fields, "transcribe")


@router.post("/translations", responses={200: {"model": Transcription, "content": _TEXTS}})
async def create_translation(request: Request, file: UploadFile, fields: AllFields) -> Response:
    """Translates speech to text, in English or the language of the field."""
    return await _recognize(request, file, fields, "translate")


async def _recognize(
    request: Request, file: UploadFile, fields: Fields, task: Literal["transcribe", "translate"]
) -> Response:
    settings = get_state(request).assistant.settings
    audio = await read_upload(request, file)
    language = fields.language or ("en" if task == "translate" else "")
    session = open_session(
        request,
        language=language,
        system_prompt=fields.prompt or None,
        allow=(),
        speak=False,
    )
    turn = await begin(request, session.ask(audio, task=task))
    if fields.stream:
        stall_s = settings.server.limits.stall_s
        return Stream(_deltas(turn, audio), media_type=sse.MEDIA_TYPE, stall_s=stall_s)
    async with aclosing(turn):
        answer = await unless_disconnected(request, partial(collect, turn))
    text = without_special_tokens(answer.ended.text).strip()
    return _respond(text, audio, fields.response_format, task=task, language=language)


def _respond(
    text: str, audio: Audio, audio_format: ResponseFormat, *, task: str, language: str
) -> Response:
    match audio_format:
        case "text":
            return PlainTextResponse(text + "\n")
        case "srt" | "vtt":
            return PlainTextResponse(
                transcription.subtitles(text, audio.seconds, audio_format=audio_format)
            )
        case "verbose_json":
            value = transcription.verbose(text, audio.seconds, task=task, language=language)
            return CompactJson(value)
    return CompactJson(transcription.short(text, audio.seconds))


async def _deltas(turn: AsyncGenerator[Event, None], audio: Audio) -> AsyncGenerator[bytes, None]:
    pieces: list[str] = []
    clean = SpecialTokenFilter()
    async with aclosing(turn):
        async for event in turn:
            if isinstance(event, Failed):
                yield sse.data(failure(event).body("/v1"))
                return
            text = clean.feed(event.text) if isinstance(event, TextDelta) else ""
            if text:
                pieces.append(text)
                yield sse.data({"type": "transcript.text.delta", "delta": text})
    pieces.append(clean.finish())
    done = {"type": "transcript.text.done", "text": "".join(pieces).strip()}
    yield sse.data({**done, "usage": transcription.usage(audio.seconds)})
    yield sse.DONE
