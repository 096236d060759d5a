"""A caller's question (texts, audio, audio files) as the parts of a user message."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.errors import AssistantError, AudioError


async def as_parts(
    question: tuple[str | Audio | Path, ...], max_seconds: float
) -> tuple[str | Audio, ...]:
    """Reads the audio files and returns all parts, without blank texts.

    Raises AudioError if a file can't be read or audio is longer than `max_seconds`, AssistantError
    if nothing is asked.
    """
    parts: list[str | Audio] = []
    for part in question:
        if isinstance(part, Path):
            read = partial(read_audio, part, max_seconds=max_seconds)
            part = await anyio.to_thread.run_sync(read)
        if isinstance(part, Audio) and part.seconds > max_seconds:
            raise AudioError(f"{part.seconds:.0f} seconds of audio; the limit is {max_seconds:.0f}")
        if not isinstance(part, str) or part.strip():
            parts.append(part)
    if not parts:
        raise AssistantError("nothing was asked", hint="give a text or audio")
    return tuple(parts)
