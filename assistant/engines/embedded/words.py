"""The words of an utterance: tokens with their places, and how they are compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from assistant.engines.embedded.lexicon import word_class

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:[.,:]\d+)*(?:['’][^\W\d_]+)?")
_BREAK = re.compile(r"[.!?;,，、。！？；\n]")
_EXPANSIONS = {"'s": "is", "'re": "are", "'m": "am", "'ll": "will", "'ve": "have", "'d": "would"}

MAX_WORDS = 300
"""The words of an utterance that are looked at."""
_MAX_COMPARED = 32
"""The length of a word, in characters, up to which a misspelling is recognized."""

QUESTION_WORDS = word_class("question")
PREPOSITIONS = word_class("preposition")
COURTESY = word_class("courtesy")
_WITHOUT_CONTENT = QUESTION_WORDS | PREPOSITIONS | word_class("function")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or one character of a script without blanks."""

    norm: str  # lower case, without endings: what is compared
    start: int  # its characters in the text
    end: int
    word: str  # lower case
    breaks: bool = False  # a full stop or comma stands before it

    @property
    def content(self) -> bool:
        """False for words that only hold a sentence together."""
        return self.word not in _WITHOUT_CONTENT


def tokens(text: str) -> tuple[Token, ...]:
    """Returns the words of an utterance; a contraction ("what's") is two with the same place.

    At most MAX_WORDS, however long the text is. Nothing of the text is retained.
    """
    found: list[Token] = []
    end = 0
    for match in islice(_TOKEN.finditer(text), MAX_WORDS):
        breaks = bool(found) and bool(_BREAK.search(text, end, match.start()))
        end = match.end()
        for word in _parts(match.group().lower().replace("’", "'")):
            found.append(Token(stem(word), match.start(), end, word, breaks))
            breaks = False
    return tuple(found)


@lru_cache(maxsize=8192)
def tokens_of_tool(text: str) -> tuple[Token, ...]:
    """Returns the words of a tool's own text (an example, a name, a choice), computed once."""
    return tokens(text)


def _parts(word: str) -> list[str]:
    head, mark, tail = word.rpartition("'")
    if not mark:
        return [word]
    if head in word_class("contracted") and mark + tail in _EXPANSIONS:
        return [head, _EXPANSIONS[mark + tail]]
    return [head if tail == "s" else word]


def stem(word: str) -> str:
    """Returns the word without its English ending; the same for all forms of most words."""
    if not 4 <= len(word) <= _MAX_COMPARED or not word.isascii() or word in _WITHOUT_CONTENT:
        return word
    for ending, kept in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3:
            return _undoubled(word[: -len(ending)] + kept)
    return word.removesuffix("e") if len(word) > 4 else word


def _undoubled(word: str) -> str:
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        return word[:-1]
    return word.removesuffix("e") if len(word) > 4 else word


def span_text(text: str, span: Sequence[Token]) -> str:
    """Returns the text from the first to the last of the tokens, without marks around it."""
    if not span:
        return ""
    return text[span[0].start : span[-1].end].strip(" \t\n.,!?;:。，！？；：、\"'“”")


def is_cjk(word: str) -> bool:
    return len(word) == 1 and bool(re.match(f"[{_CJK}]", word))


def similar(a: str, b: str) -> float:
    """Returns 1.0 for the same word, less for one that may be misrecognized or misspelled, else
    0.0.
    """
    if a == b:
        return 1.0
    shorter, longer = sorted((len(a), len(b)))
    if shorter < 4 or longer > _MAX_COMPARED or a[0] != b[0] or longer - shorter > 2:
        return 0.0
    return _resembles(a, b)


@lru_cache(maxsize=65536)
def _resembles(a: str, b: str) -> float:
    return 0.75 if _edit_distance(a, b) <= max(len(a), len(b)) // 4 else 0.0


def _edit_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]
