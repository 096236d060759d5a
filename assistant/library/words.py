"""Cuts a text into words and tells what they say of a voice; see vocabulary.py for the words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from assistant.library.vocabulary import CONCEPT_OF, NOT, STOP, WORDS

_CHINESE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CHINESE}]+|[^\W_{_CHINESE}]+(?:['-][^\W_{_CHINESE}]+)*")
_CHINESE_WORDS = frozenset(word for word in (*CONCEPT_OF, *STOP, *NOT) if ord(word[0]) >= 0x3400)
_LONGEST_CHINESE = max(map(len, _CHINESE_WORDS))


@dataclass(frozen=True, slots=True)
class Wording:
    """The meaning of a text for a voice."""

    concepts: frozenset[str]
    unwanted: frozenset[str]  # concepts that follow a "not"
    others: tuple[str, ...]  # the words that are neither concepts nor empty


def is_chinese(word: str) -> bool:
    return "\u3400" <= word[0] <= "\u9fff"


def normalized(text: str) -> str:
    """Returns the text with full-width, ligature and capital forms unified (NFKC, case folded)."""
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


def words_of(text: str) -> list[str]:
    """The words of a text. Chinese is cut at the words the table knows, the longest first."""
    words: list[str] = []
    for token in _TOKEN.findall(normalized(text)):
        if is_chinese(token):
            words += _cut_chinese(token)
        elif token in CONCEPT_OF or token in NOT:
            words.append(token)
        else:
            words += token.split("-")
    return words


def _cut_chinese(run: str) -> Iterator[str]:
    unknown = start = 0
    while start < len(run):
        known = _longest_known(run, start)
        if known:
            if unknown < start:
                yield run[unknown:start]
            yield known
        start += len(known) or 1
        unknown = start if known else unknown
    if unknown < len(run):
        yield run[unknown:]


def _longest_known(run: str, start: int) -> str:
    for length in range(min(_LONGEST_CHINESE, len(run) - start), 0, -1):
        if run[start : start + length] in _CHINESE_WORDS:
            return run[start : start + length]
    return ""


@lru_cache(maxsize=4_096)
def wording(text: str) -> Wording:
    """Returns what the text says about a voice: concepts, excluded concepts, and other words."""
    concepts: set[str] = set()
    unwanted: set[str] = set()
    others: list[str] = []
    negated = False
    for word in words_of(text):
        concept = CONCEPT_OF.get(word)
        if concept:
            (unwanted if negated else concepts).add(concept)
        elif word not in STOP and word not in NOT:
            others.append(word)
        negated = word in NOT or (negated and not concept and word in ("a", "an", "the", "too"))
    return Wording(frozenset(concepts), frozenset(unwanted - concepts), tuple(others))


def concept_of(word: str) -> str:
    """Returns the concept that a word (as `words_of` returns it) means; empty if it means none."""
    return CONCEPT_OF.get(word, "")


def means_nothing(word: str) -> bool:
    return word in STOP


def name_of(concept: str, *, chinese: bool = False) -> str:
    """The first word of a concept, for descriptions."""
    return WORDS[concept][1 if chinese else 0].split()[0]
