"""Audio that comes as a file of a form, or lies in the folder of recordings."""

from __future__ import annotations

from pathlib import Path

import anyio
from starlette.datastructures import UploadFile
from starlette.requests import Request

from assistant.audio.samples import Audio
from assistant.server.audio.hearing import hear
from assistant.server.http.errors import ApiError
from assistant.server.turns import get_assistant


async def read_upload(request: Request, file: UploadFile) -> Audio:
    """Raises AudioError: not a sound, or too long. The body as a whole is limited already."""
    return await hear(request, await file.read())


async def read_inside(request: Request, name: str) -> Audio:
    """A file of the server's own disk, if it lies in the folder that the settings name.

    Raises ApiError: it does not, also by a link, or is not there; what else the disk holds, the
    caller must not learn. Raises AudioError: not a sound, or too long.
    """
    server, data = get_assistant(request).settings.server, None
    if server.audio_folder is not None:
        most = server.limits.max_body_bytes
        data = await anyio.to_thread.run_sync(_read_inside, server.audio_folder, name, most)
    if data is None:
        raise ApiError("audio_path: no such file in the folder of recordings", param="audio_path")
    return await hear(request, data)


def _read_inside(folder: Path, name: str, max_bytes: int) -> bytes | None:
    try:
        root = folder.resolve(strict=True)
        path = (root / name).resolve(strict=True)
        if not path.is_relative_to(root) or not path.is_file():
            return None
        return path.read_bytes() if path.stat().st_size <= max_bytes else None
    except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links, no permission
        return None
