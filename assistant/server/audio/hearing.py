"""From what a client sent to a sound: within the limits, and counted."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from assistant.audio.samples import Audio
from assistant.server.audio.decode import decode_audio
from assistant.server.state import get_state


async def hear(connection: HTTPConnection, data: bytes, *, raw_rate: int | None = None) -> Audio:
    """A sound file, or with `raw_rate` 16 bit little-endian mono samples. Raises AudioError."""
    limit = connection.app.state.settings.max_audio_s
    sound = await decode_audio(data, max_seconds=limit, raw_rate=raw_rate)
    get_state(connection).metrics.audio_in.inc(sound.seconds)
    return sound


async def hear_url(connection: HTTPConnection, url: str) -> Audio:
    """The sound behind a data:, http: or https: URL. Raises AudioError."""
    return await hear(connection, await get_state(connection).fetch(url))
