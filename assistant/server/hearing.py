"""From what a client sent to a sound: within the limits, and counted."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from assistant.audio import Sound
from assistant.server.parts import the_parts
from assistant.server.security.sound import decode_sound


async def hear(connection: HTTPConnection, data: bytes, *, raw_rate: int | None = None) -> Sound:
    """A sound file, or with `raw_rate` 16 bit little-endian mono samples. Raises AudioError."""
    limit = connection.app.state.settings.max_audio_s
    sound = await decode_sound(data, max_seconds=limit, raw_rate=raw_rate)
    the_parts(connection).metrics.audio_in.inc(sound.seconds)
    return sound


async def hear_url(connection: HTTPConnection, url: str) -> Sound:
    """The sound behind a data:, http: or https: URL. Raises AudioError."""
    return await hear(connection, await the_parts(connection).fetch(url))
