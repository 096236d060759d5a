"""A conversation that goes on for hours must not hold every sound of it."""

from __future__ import annotations

from dataclasses import replace

from assistant.audio import Sound
from assistant.messages import Message, UserMessage

KEPT = 4
"""The last recordings, for an engine that goes back to them."""


def forget_sounds(history: list[Message], kept: int = KEPT) -> None:
    """In older messages the words stand for the sound, where an engine has written them down.

    Other recordings stay: they are all that is known of what was said.
    """
    for at in range(len(history) - 1, -1, -1):
        message = history[at]
        if not isinstance(message, UserMessage) or not _sounds(message):
            continue
        if kept > 0:
            kept -= 1
        else:
            history[at] = in_words(message)


def in_words(message: UserMessage) -> UserMessage:
    """The same, with its transcript for its sounds; unchanged where there is none."""
    if not message.transcript or not _sounds(message):
        return message
    texts = tuple(part for part in message.parts if isinstance(part, str))
    return replace(message, parts=(*texts, message.transcript), transcript="")


def _sounds(message: UserMessage) -> list[Sound]:
    return [part for part in message.parts if isinstance(part, Sound)]
