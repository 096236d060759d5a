"""Sound that comes as a file of a form, or lies in the folder of recordings."""

from __future__ import annotations

from pathlib import Path

import anyio
from starlette.datastructures import UploadFile

from assistant.audio import Sound
from assistant.config import Settings
from assistant.server.security.sound import decode_sound
from assistant.server.wire.errors import ApiError


async def read_upload(file: UploadFile, settings: Settings) -> Sound:
    """Raises AudioError: not a sound, or too long. The body as a whole is limited already."""
    return await decode_sound(await file.read(), max_seconds=settings.max_audio_s)


async def read_inside(folder: Path | None, name: str, settings: Settings) -> Sound:
    """A file of the server's own disk, if it lies in `folder`.

    Raises ApiError: it does not, also by a link, or is not there; what else the disk holds, the
    caller must not learn. Raises AudioError: not a sound, or too long.
    """
    data = None
    if folder is not None:
        most = settings.server.limits.max_body_bytes
        data = await anyio.to_thread.run_sync(_read_inside, folder, name, most)
    if data is None:
        raise ApiError("audio_path: no such file in the folder of recordings", param="audio_path")
    return await decode_sound(data, max_seconds=settings.max_audio_s)


def _read_inside(folder: Path, name: str, max_bytes: int) -> bytes | None:
    try:
        root = folder.resolve(strict=True)
        path = (root / name).resolve(strict=True)
        if not path.is_relative_to(root) or not path.is_file():
            return None
        return path.read_bytes() if path.stat().st_size <= max_bytes else None
    except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links, no permission
        return None
