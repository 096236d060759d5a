"""/v1/voices: the library of voice clips."""

from __future__ import annotations

import re
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile

from assistant.audio.encode import write_wav
from assistant.audio.samples import Pcm16
from assistant.audio.voice import Voice, VoiceMatch
from assistant.library import AddReport, ClipInfo, VoiceLibrary
from assistant.server.auth.access import Access, require
from assistant.server.http.errors import ApiError, ErrorBody, forbidden, not_found
from assistant.server.request_audio import read_audio
from assistant.server.state import get_state
from assistant.server.voice_schema import VoiceInfo, VoiceList

router = APIRouter(prefix="/v1/voices", tags=["voices"], responses={"4XX": {"model": ErrorBody}})
Reader = Annotated[Access, Depends(require("voices"))]
Writer = Annotated[Access, Depends(require("voices:write"))]
Limit = Annotated[int, Query(ge=1, le=100)]
Words = Annotated[str, Query(max_length=500)]
Tag = Annotated[str, Query(max_length=35)]


@router.get("")
async def list_voices(
    request: Request, access: Reader, query: Words = "", language: Tag = "", limit: Limit = 100
) -> VoiceList:
    """All voices of this key, or with `query` those that fit its words, best first."""
    library = get_state(request).assistant.library
    if query.strip():
        search = partial(access.voices(library).search, query, language=language, limit=limit)
        return _matches(list(await anyio.to_thread.run_sync(search)))
    voices: list[Voice] = await anyio.to_thread.run_sync(partial(list, library))
    seen = [voice for voice in voices if access.may_use_voice(voice.id)]
    seen.sort(key=lambda voice: voice.id)
    return VoiceList(data=[VoiceInfo.of(voice) for voice in seen[:limit]])


@router.post("/search")
async def search_like(
    request: Request, access: Reader, audio: Annotated[UploadFile, File()], limit: Limit = 5
) -> VoiceList:
    """The voices that are most similar to a clip."""
    clip = await read_audio(request, await audio.read())
    library = get_state(request).assistant.library
    found = await anyio.to_thread.run_sync(library.search_like, clip, len(library))
    return _matches([match for match in found if access.may_use_voice(match.voice.id)][:limit])


def _matches(found: list[VoiceMatch]) -> VoiceList:
    return VoiceList(data=[VoiceInfo.of(match.voice, match.score) for match in found])


@router.post("", status_code=201)
async def upload(
    request: Request,
    access: Writer,
    audio: Annotated[UploadFile, File()],
    consent: Annotated[str, Form(min_length=3, max_length=2_000)],
    id: Annotated[str, Form(max_length=64)] = "",  # noqa: A002 - the name of the form's field
    description: Annotated[str, Form(max_length=200)] = "",
    language: Annotated[str, Form(max_length=35)] = "",
    transcript: Annotated[str, Form(max_length=5_000)] = "",
    license_: Annotated[str, Form(alias="license", max_length=500)] = "",
) -> VoiceInfo:
    """Adds a clip of 1 to 60 seconds. `consent`: how the speaker agreed to this use."""
    if access.key.voices is not None and id not in access.key.voices:
        raise forbidden("this key may use certain voices only, and that is none of them")
    if not consent.strip():
        raise ApiError("consent: say how the speaker agreed to this use", param="consent")
    if not description.isprintable():  # tools show it to the model of other callers
        raise ApiError("description: one line of plain text", param="description")
    if id and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", id):
        raise ApiError("id: letters, digits, - and _", param="id")
    info = ClipInfo(
        id=id,
        description=description,
        language=language,
        transcript=transcript,
        license=license_,
        consent=consent,
    )
    clip = await read_audio(request, await audio.read())  # within the limits, before it is written
    add = partial(
        _add, get_state(request).assistant.library, clip.to_pcm16(), clip.sample_rate, info
    )
    return VoiceInfo.of(await anyio.to_thread.run_sync(add))


def _add(library: VoiceLibrary, samples: Pcm16, rate: int, info: ClipInfo) -> Voice:
    with tempfile.TemporaryDirectory() as folder:
        # The file name of the client is ignored: it may be a path, or a secret.
        path = Path(folder) / f"{info.id or 'voice'}.wav"
        write_wav(path, [samples], rate)
        report: AddReport = library.add([path], info)
    if report.refused:
        raise ApiError(f"audio: {report.refused[0].reason}", param="audio")
    return report.added[0]


@router.delete("/{voice_id}", status_code=204)
async def delete(request: Request, access: Writer, voice_id: str) -> Response:
    """Removes a clip that was uploaded; those that come with the project stay."""
    library = get_state(request).assistant.library
    known = await anyio.to_thread.run_sync(lambda: {voice.id for voice in library})
    if voice_id not in known or not access.may_use_voice(voice_id):
        raise not_found(f"no voice is called {voice_id!r}")
    await anyio.to_thread.run_sync(library.remove, voice_id)
    return Response(status_code=204)
