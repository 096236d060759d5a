"""Compaction: shortens old turns when a conversation outgrows the window.

Old responses keep their text, old user turns their transcript, old tool results their beginning. If
that is not enough, the oldest turns are dropped, each as a whole: a call and its result together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from assistant.audio.samples import Audio
from assistant.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

RESULT_CHARS = 400
"""The characters that remain of an old tool result."""
_VERBATIM_TURNS = 2
"""Turns before the newest one that stay untouched if there is enough space."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Messages before index `dropped` are left out, those before `compacted` told in short."""

    dropped: int = 0
    compacted: int = 0
    cut_results: bool = False
    """True if the results of the newest turn are cut, too."""
    anchor: Message | None = None
    """The last message that the plan is about: another one there is another conversation."""

    def fits(self, messages: Sequence[Message]) -> bool:
        if not self.compacted:
            return True
        return len(messages) >= self.compacted and messages[self.compacted - 1] == self.anchor

    def apply(
        self, messages: Sequence[Message], transcript: Callable[[Audio], str]
    ) -> list[Message]:
        told: list[Message] = []
        for index, message in enumerate(messages):
            if isinstance(message, SystemMessage):
                told.append(message)
            elif index >= self.compacted:
                cut = self.cut_results and isinstance(message, ToolMessage)
                told.append(_short(message, transcript) if cut else message)
            elif index >= self.dropped:
                told.append(_short(message, transcript))
        return told


def plans(messages: Sequence[Message]) -> Iterator[Plan]:
    """Yields plans, from the one that drops least to the one that drops most."""
    starts = [i for i, message in enumerate(messages) if isinstance(message, UserMessage)]
    if not starts:
        return
    newest = starts[-1]
    for start in starts[-1 - _VERBATIM_TURNS :]:
        if start > 0:
            yield _plan(messages, dropped=0, compacted=start)
    for start in starts:
        yield _plan(messages, dropped=start, compacted=newest)
    yield replace(_plan(messages, dropped=newest, compacted=newest), cut_results=True)


def _plan(messages: Sequence[Message], *, dropped: int, compacted: int) -> Plan:
    return Plan(dropped, compacted, anchor=messages[compacted - 1] if compacted else None)


def audio_in(messages: Sequence[Message]) -> list[Audio]:
    return [
        part
        for message in messages
        if isinstance(message, UserMessage)
        for part in message.parts
        if isinstance(part, Audio)
    ]


def _short(message: Message, transcript: Callable[[Audio], str]) -> Message:
    if isinstance(message, AssistantMessage):
        return replace(message, tokens=())
    if isinstance(message, ToolMessage) and len(message.text) > RESULT_CHARS:
        return replace(message, text=message.text[:RESULT_CHARS] + "…")
    if isinstance(message, UserMessage):
        words = tuple(_words(message, part, transcript) for part in message.parts)
        return replace(message, parts=words)
    return message


def _words(message: UserMessage, part: str | Audio, transcript: Callable[[Audio], str]) -> str:
    if isinstance(part, str):
        return part
    alone = len(audio_in([message])) == 1
    return message.transcript if alone and message.transcript else transcript(part)
