"""Audio that came with a request: decoded within the budget of the request, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import anyio
from starlette.datastructures import UploadFile
from starlette.requests import HTTPConnection, Request

from assistant.audio.samples import Audio
from assistant.server.audio.decode import decode_audio
from assistant.server.auth.access import access_of
from assistant.server.http.errors import ApiError, too_large
from assistant.server.state import get_state


@dataclass
class AudioBudget:
    """What is left of the audio that one request may bring."""

    seconds: float
    files: int
    urls: int

    def take_file(self) -> None:
        """Counts a file. Raises ApiError 413 if there are too many."""
        self.files -= 1
        if self.files < 0:
            raise too_large("the request holds too many pieces of audio")

    def take_url(self) -> None:
        """Counts a URL. Raises ApiError 413 if there are too many."""
        self.urls -= 1
        if self.urls < 0:
            raise too_large("the request names too many URLs of audio")


def _budget_of(connection: HTTPConnection) -> AudioBudget:
    """Returns the budget of a request, which all audio in it shares."""
    budget: AudioBudget | None = getattr(connection.state, "audio_budget", None)
    if budget is None:
        settings = get_state(connection).assistant.settings
        limits = settings.server.limits
        budget = AudioBudget(settings.max_audio_s, limits.max_audio_files, limits.max_audio_urls)
        connection.state.audio_budget = budget
    return budget


async def read_audio(
    connection: HTTPConnection, data: bytes, *, raw_rate: int | None = None
) -> Audio:
    """Decodes an audio file, or with `raw_rate` 16 bit little-endian mono samples.

    All audio of one request together has at most `max_audio_s` of the settings, and
    `max_audio_files` files. Raises AudioError if it is not audio, or longer than what is left;
    ApiError 413 if there are too many files.
    """
    state, budget = get_state(connection), _budget_of(connection)
    budget.take_file()
    audio = await decode_audio(
        data, max_seconds=budget.seconds, raw_rate=raw_rate, limiter=state.decoding
    )
    budget.seconds -= audio.seconds
    state.metrics.audio_in.inc(audio.seconds)
    return audio


async def fetch_audio(connection: HTTPConnection, url: str) -> Audio:
    """Decodes the audio behind a data:, http: or https: URL.

    Raises AudioError, and ApiError 413 if the request names too many URLs.
    """
    if url[:5].lower() != "data:":
        _budget_of(connection).take_url()
    data = await get_state(connection).fetch(url, access_of(connection).owner)
    return await read_audio(connection, data)


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
