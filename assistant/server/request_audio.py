"""Audio that came with a request: decoded within the limits, and counted."""

from __future__ import annotations

from pathlib import Path

import anyio
from starlette.datastructures import UploadFile
from starlette.requests import HTTPConnection, Request

from assistant.audio.samples import Audio
from assistant.server.audio.decode import decode_audio
from assistant.server.http.errors import ApiError
from assistant.server.state import get_state


async def read_audio(
    connection: HTTPConnection, data: bytes, *, raw_rate: int | None = None
) -> Audio:
    """Decodes an audio file, or with `raw_rate` 16 bit little-endian mono samples.

    Raises AudioError if it is not audio, or longer than `max_audio_s` of the settings.
    """
    state = get_state(connection)
    limit = state.assistant.settings.max_audio_s
    audio = await decode_audio(data, max_seconds=limit, raw_rate=raw_rate)
    state.metrics.audio_in.inc(audio.seconds)
    return audio


async def fetch_audio(connection: HTTPConnection, url: str) -> Audio:
    """Decodes the audio behind a data:, http: or https: URL. Raises AudioError."""
    return await read_audio(connection, await get_state(connection).fetch(url))


async def read_upload(request: Request, file: UploadFile) -> Audio:
    """Decodes the file of a form; its size is limited already. Raises AudioError."""
    return await read_audio(request, await file.read())


async def read_inside(request: Request, name: str) -> Audio:
    """Decodes a file of the server's own disk that lies in the `audio_folder` of the settings.

    Raises ApiError if it lies elsewhere, also by a link, or does not exist: the caller must not
    learn what else the disk holds. Raises AudioError if it is not audio, or too long.
    """
    server, data = get_state(request).settings, None
    if server.audio_folder is not None:
        most = server.limits.max_body_bytes
        data = await anyio.to_thread.run_sync(_read_inside, server.audio_folder, name, most)
    if data is None:
        raise ApiError("audio_path: no such file in the folder of recordings", param="audio_path")
    return await read_audio(request, data)


def _read_inside(folder: Path, name: str, max_bytes: int) -> bytes | None:
    try:
        root = folder.resolve(strict=True)
        path = (root / name).resolve(strict=True)
        if not path.is_relative_to(root) or not path.is_file():
            return None
        return path.read_bytes() if path.stat().st_size <= max_bytes else None
    except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links, no permission
        return None
