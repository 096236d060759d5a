"""Splits a text into sentences, so that the first one plays while the next is synthesized."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_CHARS = 240
"""A longer sentence is cut at a comma or a blank: about 16 seconds of speech."""

_CLOSING = "\"'»”’）)】」』》\\]*_"
# Western marks end a sentence before a blank only: "3.5", "example.com" and "v1.2" go on. A run of
# marks is tried from its first one only, or many marks without a blank would take quadratic time.
_END = re.compile(
    rf"(?:(?<![.!?…])[.!?…]+[{_CLOSING}]*(?=\s)|[。！？；｡]+[{_CLOSING}]*"
    rf"|(?<![।॥؟۔])[।॥؟۔]+(?=\s)|(?=\n))\s*"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'«„“.])(?:[A-Za-zÀ-ÿ]|Mr|Mrs|Ms|Dr|Prof|St|Mt|Jr|Sr|vs|etc|approx|No|Nr|Inc|Ltd"
    r"|Co|ca|bzw|usw|Hr|Fr|Str|Abs|Mme|Mlle|Sra|Sres|Ud|Uds|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept"
    r"|Oct|Nov|Dec)\.$"
)
_LONGEST_MARKER = 24
"""The characters before a full stop that may be an abbreviation or a number of a list."""
_NOT_BLANK = re.compile(r"\S")
_SOFT = re.compile(r".*[,;:，、；：—–]\s*", re.DOTALL)
_BLANK = re.compile(r".*\s", re.DOTALL)


def sentences(text: str, *, max_chars: int = MAX_CHARS) -> Iterator[str]:
    """Yields the sentences of `text` with the blanks that follow them: joined, they are the text.

    Takes time in proportion to the length of the text.
    """
    start, first = 0, _first_char(text, 0)
    for match in _END.finditer(text):
        end = match.end()
        if end <= max(start, first) or _goes_on(text, start, match):
            continue
        yield from _cut(text[start:end], max_chars)
        start, first = end, _first_char(text, end)
    yield from _cut(text[start:], max_chars)


def _first_char(text: str, start: int) -> int:
    """Returns the place of the first character from `start` on that is not blank."""
    match = _NOT_BLANK.search(text, start)
    return match.start() if match else len(text)


def _goes_on(text: str, start: int, match: re.Match[str]) -> bool:
    """Returns whether the mark ends an abbreviation, a number of a list, or no sentence at all."""
    mark = match.group().strip()
    if not mark.startswith("."):
        return False
    following = text[match.end() : match.end() + 1]
    if mark == ".":
        before = text[max(start, match.start() - _LONGEST_MARKER) : match.start()] + "."
        is_number = match.start() - start < _LONGEST_MARKER and before.strip(" .").isdigit()
        if is_number or _ABBREVIATION.search(before):
            return bool(following)
    return following.islower()


def _cut(sentence: str, max_chars: int) -> Iterator[str]:
    """Yields the sentence in pieces of at most `max_chars`."""
    start = 0
    while len(sentence) - start > max_chars:
        head = sentence[start : start + max_chars]
        soft = _SOFT.match(head)
        match = soft if soft and soft.end() > max_chars // 3 else _BLANK.match(head)
        end = match.end() if match else max_chars
        yield head[:end]
        start += end
    if start < len(sentence):
        yield sentence[start:]
