"""Generated ids to text, tool calls and speech tokens, as they come.

Each id is classified by itself; the order of text and speech is free. A character, a tag or a call
may be spread over many ids, with speech between them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from assistant.engines.parser import Parsed, ToolCallParser, new_call_id
from assistant.engines.step_audio_2.tokens import Tokenizer

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class SpeechToken:
    """A speech token's number, 0 to 6560; 25 are one second."""

    number: int


Piece = Parsed | SpeechToken


class OutputParser:
    """Parses ids to pieces. Total: any ids in any order are accepted, and nothing raises.

    Left out on purpose: marks (`<tts_start>`, `<tts_pad>`, ...), fillers after the end of speech,
    thoughts between `<think>` and `</think>`, and everything after a stop string.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        stop: Iterable[str] = (),
        make_id: Callable[[], str] = new_call_id,
    ) -> None:
        self._tokenizer, self._special = tokenizer, tokenizer.special
        self._marks = marks(tokenizer)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop, self._thoughts = _Tags(stop), _Thoughts()
        self._calls = ToolCallParser(make_id)
        self.stopped = False
        """A stop string has come."""
        self.consumed = 0
        """Ids that came until then."""

    def begin(self, opening: Iterable[int]) -> None:
        """Sets the ids that the response was begun with: the following ids continue them."""
        for token in opening:
            self.feed(token)
        self.consumed = 0

    def feed(self, token: int) -> list[Piece]:
        """The next id; returns what is certain by now."""
        if self.stopped:
            return []
        self.consumed += 1
        number = self._special.speech_token(token)
        if number is not None:
            return [SpeechToken(number)]
        if token in self._marks or self._special.is_speech_or_padding(token):
            return []
        return self._text(self._utf8.decode(self._tokenizer.token_bytes(token)))

    def finish(self) -> list[Piece]:
        """Ends the ids."""
        pieces = self._text(self._utf8.decode(b"", final=True))
        held = (
            "" if self.stopped else self._thoughts.feed(self._stop.rest()) + self._thoughts.rest()
        )
        return [*pieces, *self._calls.feed(held), *self._calls.finish()]

    def _text(self, text: str) -> list[Piece]:
        passed = ""
        for part, found in self._stop.split(text) if not self.stopped else ():
            passed += part
            if found:
                self.stopped = True
                break
        return list(self._calls.feed(self._thoughts.feed(passed)))


def marks(tokenizer: Tokenizer) -> frozenset[int]:
    """Returns the ids that stand for neither text nor audio."""
    special = tokenizer.special
    audio = {special.audio_start, special.audio_end, special.audio_patch, special.tts_pad}
    return special.ends | audio | {special.tts_start, special.tts_end, special.bot, special.eot}


class _Tags:
    """Cuts a stream of text at fixed strings, however it comes in pieces."""

    def __init__(self, tags: Iterable[str]) -> None:
        self._tags = [tag for tag in tags if tag]
        self._pattern = re.compile("|".join(map(re.escape, self._tags)))
        self._held = ""  # may be the beginning of a tag

    def split(self, text: str) -> Iterator[tuple[str, str]]:
        """(text, the tag after it, or nothing at the end)."""
        text, self._held = self._held + text, ""
        while self._tags and (match := self._pattern.search(text)):
            text, before = text[match.end() :], text[: match.start()]
            yield before, match[0]
        certain = len(text) - self._overlap(text)
        self._held = text[certain:]
        yield text[:certain], ""

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held

    def _overlap(self, text: str) -> int:
        longest = max((len(tag) for tag in self._tags), default=1) - 1
        ends = range(min(longest, len(text)), 0, -1)
        return next((n for n in ends if any(tag.startswith(text[-n:]) for tag in self._tags)), 0)


class _Thoughts:
    """Leaves out what stands between the tags of thinking."""

    def __init__(self) -> None:
        self._tags = _Tags((THINK_OPEN, THINK_CLOSE))
        self._inside = False

    def feed(self, text: str) -> str:
        kept = ""
        for part, tag in self._tags.split(text):
            kept += "" if self._inside else part
            self._inside = tag == THINK_OPEN if tag else self._inside
        return kept

    def rest(self) -> str:
        held = self._tags.rest()
        return "" if self._inside else held
