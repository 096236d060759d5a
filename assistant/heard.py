"""How much of an answer was heard: where its words lie in its sound, and the history cut to them.

The engine's tokens tell it exactly, where it makes sound of tokens (Engine.heard). Otherwise time
does: the words between two moments are taken to be spoken evenly over the sound between them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

from assistant.messages import AssistantMessage, Message

Cut = Callable[[AssistantMessage, float], AssistantMessage | None]
"""Engine.heard."""


@dataclass
class SpokenMessage:
    """A message of the assistant, and its sound.

    `pieces` are its texts, each with the moment from which its sound follows; `start` and `end`
    are where the message lies. All in seconds of the turn's sound.
    """

    message: AssistantMessage
    pieces: tuple[tuple[str, float], ...]
    start: float
    end: float

    def cut(self, seconds: float, by_tokens: Cut) -> AssistantMessage:
        """The message as it was heard in the first `seconds` of the turn's sound."""
        if seconds >= self.end:
            return self.message
        if seconds > self.start:
            exact = by_tokens(self.message, seconds - self.start)
            if exact is not None:
                return exact
        return replace(self.message, text=self._words(seconds), tokens=())

    def _words(self, seconds: float) -> str:
        heard, pieces = "", _joined(self.pieces)
        ends = [at for _, at in pieces[1:]] + [self.end]
        for (text, start), end in zip(pieces, ends, strict=True):
            share = (seconds - start) / (end - start) if end > start else 0.0
            heard += first_words(text, min(max(share, 0.0), 1.0))
            if share < 1.0:
                break
        return heard


class Spoken:
    """What one turn said. `cut` may be called again: it starts from the whole every time."""

    def __init__(self, turn_id: str) -> None:
        self.turn_id = turn_id
        self._messages: list[SpokenMessage] = []
        self._now: list[AssistantMessage] = []  # as they are in the history

    def add(self, spoken: SpokenMessage) -> None:
        self._messages.append(spoken)
        self._now.append(spoken.message)

    def cut(self, history: list[Message], seconds: float, by_tokens: Cut) -> str:
        """Replaces the turn's messages in the history by what was heard of them; gives the text.

        A message of which nothing was heard keeps its calls, for they ran. Text that was never
        spoken, in a turn without sound, stays.
        """
        texts = []
        for at, spoken in enumerate(self._messages):
            heard = spoken.cut(seconds, by_tokens) if self._has_sound else spoken.message
            _exchange(history, self._now[at], heard)
            self._now[at] = heard
            texts.append(heard.text)
        return " ".join(filter(None, texts))

    @property
    def _has_sound(self) -> bool:
        return any(spoken.end > spoken.start for spoken in self._messages)


def _exchange(history: list[Message], old: AssistantMessage, new: AssistantMessage) -> None:
    for at in range(len(history) - 1, -1, -1):
        if history[at] is old:
            history[at] = new
            return


def _joined(pieces: tuple[tuple[str, float], ...]) -> list[tuple[str, float]]:
    """Texts that begin at the same moment as one."""
    joined: list[tuple[str, float]] = []
    for text, at in pieces:
        if joined and joined[-1][1] >= at:
            joined[-1] = joined[-1][0] + text, joined[-1][1]
        else:
            joined.append((text, at))
    return joined


def first_words(text: str, share: float) -> str:
    """The whole words within the first `share` of the text; characters where those are words."""
    if share >= 1.0:
        return text
    end = int(len(text) * share)
    while end and not (_is_word(text[end - 1]) or text[end].isspace()):
        end -= 1
    return text[:end].rstrip()


def _is_word(character: str) -> bool:
    return character.isspace() or unicodedata.east_asian_width(character) in "WF"
