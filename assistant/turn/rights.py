"""What a conversation may use, asked again as each turn begins: rights change while it lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from assistant.audio.voice import DEFAULT_VOICE, Voice
from assistant.errors import LibraryError
from assistant.plugins import VoiceSearch


def current_names(
    allow: Iterable[str] | Callable[[], Iterable[str] | None] | None,
) -> Callable[[], frozenset[str] | None]:
    """Returns a function that returns the names that are allowed at the time, None for all."""
    if not callable(allow):
        fixed = None if allow is None else frozenset(allow)
        return lambda: fixed

    def current() -> frozenset[str] | None:
        names = allow()
        return None if names is None else frozenset(names)

    return current


def allowed_voice(voice: Voice, voices: VoiceSearch) -> Voice:
    """Returns the voice, or the engine's own if its clip is gone or no longer allowed."""
    try:
        if voice.id != DEFAULT_VOICE:
            voices.get(voice.id)
    except LibraryError:
        return Voice()
    return voice
