"""Truncation: how much of a response was played, and the history cut to it.

An engine that generates speech tokens knows exactly which words a moment of its audio belongs to
(`Engine.truncate`). For others, the words between two known moments are taken to be spread evenly
over the audio between them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

from assistant.history import History
from assistant.messages import AssistantMessage

TruncateByTokens = Callable[[AssistantMessage, float], AssistantMessage | None]
"""`Engine.truncate`: None if the engine can't tell."""


@dataclass(frozen=True)
class SpokenMessage:
    """A message of the assistant with the place of its audio in the turn's audio.

    `pieces` are its texts, each with the second at which its audio begins; `start` and `end` are
    where the whole message lies. All times are seconds of the turn's audio.
    """

    message: AssistantMessage
    pieces: tuple[tuple[str, float], ...]
    start: float
    end: float

    def truncated(self, seconds: float, by_tokens: TruncateByTokens) -> AssistantMessage:
        """Returns the message as far as it was played in the turn's first `seconds`."""
        if seconds >= self.end:
            return self.message
        if seconds > self.start:
            exact = by_tokens(self.message, seconds - self.start)
            if exact is not None:
                return exact
        return replace(self.message, text=self._words(seconds), tokens=())

    def _words(self, seconds: float) -> str:
        played, pieces = "", _joined(self.pieces)
        ends = [at for _, at in pieces[1:]] + [self.end]
        for (text, start), end in zip(pieces, ends, strict=True):
            share = (seconds - start) / (end - start) if end > start else 0.0
            played += first_words(text, min(max(share, 0.0), 1.0))
            if share < 1.0:
                break
        return played


class SpokenTurn:
    """The messages of one turn with the places of their audio.

    `truncate` may be called again with another time: it starts from the whole turn every time.
    """

    def __init__(self, turn_id: str) -> None:
        self.turn_id = turn_id
        self._messages: list[SpokenMessage] = []

    def add(self, spoken: SpokenMessage) -> None:
        """Adds the next message of the turn."""
        self._messages.append(spoken)

    def truncate(self, history: History, seconds: float, by_tokens: TruncateByTokens) -> str:
        """Cuts the turn's messages in the history to what was played, and returns their text.

        A message that was not played at all keeps its calls, for they ran. A turn without audio
        keeps its text.
        """
        texts = []
        for spoken in self._messages:
            played = spoken.truncated(seconds, by_tokens) if self._has_audio else spoken.message
            history.truncate(spoken.message.id, played.text, played.tokens)
            texts.append(played.text)
        return " ".join(filter(None, texts))

    @property
    def _has_audio(self) -> bool:
        return any(spoken.end > spoken.start for spoken in self._messages)


def _joined(pieces: tuple[tuple[str, float], ...]) -> list[tuple[str, float]]:
    """Joins texts that begin at the same time."""
    joined: list[tuple[str, float]] = []
    for text, at in pieces:
        if joined and joined[-1][1] >= at:
            joined[-1] = joined[-1][0] + text, joined[-1][1]
        else:
            joined.append((text, at))
    return joined


def first_words(text: str, share: float) -> str:
    """Returns the whole words in the first `share` (0 to 1) of the text's characters.

    In scripts without spaces, such as Chinese, each character counts as a word.
    """
    if share >= 1.0:
        return text
    end = int(len(text) * share)
    while end and not (_ends_word(text[end - 1]) or text[end].isspace()):
        end -= 1
    return text[:end].rstrip()


def _ends_word(character: str) -> bool:
    return character.isspace() or unicodedata.east_asian_width(character) in "WF"
