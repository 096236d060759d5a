"""Splits a text into sentences, so that the first one plays while the next is synthesized."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_CHARS = 240
"""A longer sentence is cut at a comma or a blank: about 16 seconds of speech."""

_CLOSING = "\"'»”’）)】」』》\\]*_"
# Western marks end a sentence before a blank only: "3.5", "example.com" and "v1.2" go on.
_END = re.compile(
    rf"(?:[.!?…]+[{_CLOSING}]*(?=\s)|[。！？；｡]+[{_CLOSING}]*|[।॥؟۔]+(?=\s)|(?=\n))\s*"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'«„“.])(?:[A-Za-zÀ-ÿ]|Mr|Mrs|Ms|Dr|Prof|St|Mt|Jr|Sr|vs|etc|approx|No|Nr|Inc|Ltd"
    r"|Co|ca|bzw|usw|Hr|Fr|Str|Abs|Mme|Mlle|Sra|Sres|Ud|Uds|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept"
    r"|Oct|Nov|Dec)\.$"
)
_SOFT = re.compile(r".*[,;:，、；：—–]\s*", re.DOTALL)
_BLANK = re.compile(r".*\s", re.DOTALL)


def sentences(text: str, *, max_chars: int = MAX_CHARS) -> Iterator[str]:
    """The sentences of `text` with the blanks that follow them: joined, they are the text."""
    start = 0
    for match in _END.finditer(text):
        end = match.end()
        if end <= start or not text[start:end].strip() or _goes_on(text, start, match):
            continue
        yield from _cut(text[start:end], max_chars)
        start = end
    yield from _cut(text[start:], max_chars)


def _goes_on(text: str, start: int, match: re.Match[str]) -> bool:
    """True if the mark ends an abbreviation, a number of a list, or no sentence at all."""
    mark = match.group().strip()
    if not mark.startswith("."):
        return False
    following = text[match.end() : match.end() + 1]
    before = text[start : match.start()] + "."
    if mark == "." and (_ABBREVIATION.search(before) or before.strip(" .").isdigit()):
        return bool(following)
    return following.islower()


def _cut(sentence: str, max_chars: int) -> Iterator[str]:
    while len(sentence) > max_chars:
        head = sentence[:max_chars]
        soft = _SOFT.match(head, 0, max_chars)
        match = soft if soft and soft.end() > max_chars // 3 else _BLANK.match(head)
        end = match.end() if match else max_chars
        yield sentence[:end]
        sentence = sentence[end:]
    if sentence:
        yield sentence
