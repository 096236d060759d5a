"""From what a caller asks to the parts of a message."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio

from assistant.audio import Sound, read_sound
from assistant.errors import AssistantError, AudioError


async def as_parts(
    question: tuple[str | Sound | Path, ...], max_seconds: float
) -> tuple[str | Sound, ...]:
    """Reads the sound files. Raises AudioError: one can't be read, or a sound is longer than
    `max_seconds`. AssistantError: nothing is asked.
    """
    parts: list[str | Sound] = []
    for part in question:
        if isinstance(part, Path):
            read = partial(read_sound, part, max_seconds=max_seconds)
            part = await anyio.to_thread.run_sync(read)
        if isinstance(part, Sound) and part.seconds > max_seconds:
            raise AudioError(f"{part.seconds:.0f} seconds of sound; the limit is {max_seconds:.0f}")
        if not isinstance(part, str) or part.strip():
            parts.append(part)
    if not parts:
        raise AssistantError("nothing was asked", hint="give a text or a sound")
    return tuple(parts)
