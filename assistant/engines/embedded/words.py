"""The words of an utterance: where they stand, how they are compared, how much they weigh."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:[.,:]\d+)*(?:['’][^\W\d_]+)?")
_BREAK = re.compile(r"[.!?;。！？；]\s*|[,，、]\s*|\n")

QUESTION_WORDS = frozenset(
    [
        "who",
        "whom",
        "whose",
        "what",
        "which",
        "when",
        "where",
        "why",
        "how",
        "wer",
        "was",
        "welche",
        "wann",
        "wo",
        "warum",
        "wie",
        "qui",
        "que",
        "quoi",
        "quel",
        "quelle",
        "quand",
        "comment",
        "pourquoi",
        "quien",
        "quién",
        "qué",
        "cuál",
        "cuándo",
        "dónde",
        "cómo",
    ]
)
PREPOSITIONS = frozenset(
    [
        "in",
        "at",
        "for",
        "near",
        "of",
        "on",
        "about",
        "to",
        "into",
        "from",
        "between",
        "over",
        "around",
        "with",
        "by",
        "as",
        "saying",
        "that",
        "named",
        "called",
        "für",
        "über",
        "nach",
        "bei",
        "von",
        "zu",
        "à",
        "de",
        "du",
        "des",
        "sur",
        "pour",
        "en",
        "sobre",
        "para",
        "por",
        "a",
        "al",
        "del",
        "dans",
    ]
)
_FUNCTION_WORDS = (
    QUESTION_WORDS
    | PREPOSITIONS
    | frozenset(
        [
            "a",
            "an",
            "the",
            "and",
            "or",
            "but",
            "so",
            "is",
            "are",
            "am",
            "was",
            "were",
            "be",
            "been",
            "do",
            "does",
            "did",
            "can",
            "could",
            "will",
            "would",
            "shall",
            "should",
            "may",
            "might",
            "must",
            "have",
            "has",
            "had",
            "i",
            "me",
            "my",
            "you",
            "your",
            "we",
            "us",
            "our",
            "he",
            "she",
            "it",
            "its",
            "they",
            "them",
            "this",
            "that",
            "these",
            "those",
            "there",
            "here",
            "some",
            "any",
            "please",
            "just",
            "also",
            "then",
            "up",
            "out",
            "not",
            "no",
            "yes",
            "der",
            "die",
            "das",
            "ein",
            "eine",
            "einen",
            "ist",
            "sind",
            "ich",
            "du",
            "es",
            "und",
            "mir",
            "le",
            "la",
            "les",
            "un",
            "une",
            "est",
            "je",
            "tu",
            "il",
            "et",
            "el",
            "los",
            "las",
            "una",
            "es",
            "yo",
            "y",
            "mi",
        ]
    )
    | frozenset("的了吗呢是在请我你他她它一下个和有吧啊呀")
)
_EXPANSIONS = {"'s": "is", "'re": "are", "'m": "am", "'ll": "will", "'ve": "have", "'d": "would"}
_CONTRACTED = frozenset(
    [
        "what",
        "who",
        "where",
        "when",
        "how",
        "why",
        "that",
        "there",
        "it",
        "he",
        "she",
        "here",
        "let",
        "i",
        "you",
        "we",
        "they",
    ]
)
COURTESY = frozenset(
    [
        "please",
        "kindly",
        "hey",
        "hi",
        "hello",
        "okay",
        "ok",
        "well",
        "so",
        "now",
        "and",
        "then",
        "also",
        "just",
        "uh",
        "um",
        "oh",
        "ah",
        "yes",
        "yeah",
        "thanks",
        "thank",
        "bitte",
        "und",
        "dann",
        "s'il",
        "por",
        "favor",
        "请",
        "麻烦",
        "那",
        "然后",
    ]
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or one character of a script without blanks."""

    norm: str  # lower case, without endings: what is compared
    start: int  # characters of the text that it stands for
    end: int
    word: str  # lower case
    breaks: bool = False  # a full stop or comma stands before it

    @property
    def content(self) -> bool:
        return self.word not in _FUNCTION_WORDS


@lru_cache(maxsize=8192)
def tokens(text: str) -> tuple[Token, ...]:
    """The words of the text; a contraction ("what's") gives two with the same place."""
    found: list[Token] = []
    after_break = False
    previous_end = 0
    for match in _TOKEN.finditer(text):
        gap = text[previous_end : match.start()]
        after_break = bool(_BREAK.search(gap)) and bool(found)
        previous_end = match.end()
        for index, word in enumerate(_parts(match.group().lower().replace("’", "'"))):
            breaks = after_break and index == 0
            found.append(Token(stem(word), match.start(), match.end(), word, breaks))
    return tuple(found)


def _parts(word: str) -> list[str]:
    head, mark, tail = word.rpartition("'")
    if not mark:
        return [word]
    if head in _CONTRACTED and mark + tail in _EXPANSIONS:
        return [head, _EXPANSIONS[mark + tail]]
    return [head if tail == "s" else word]


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The word without its English ending; the same for all forms of most words."""
    if len(word) < 4 or not word.isascii() or word in _FUNCTION_WORDS:
        return word
    for ending, keep in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3:
            return _undoubled(word[: -len(ending)] + keep)
    return word.removesuffix("e") if len(word) > 4 else word


def _undoubled(word: str) -> str:
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        return word[:-1]
    return word.removesuffix("e") if len(word) > 4 else word


def span_text(text: str, span: Sequence[Token]) -> str:
    """What the text has from the first to the last of the tokens, without marks around it."""
    if not span:
        return ""
    return text[span[0].start : span[-1].end].strip(" \t\n.,!?;:。，！？；：、\"'“”")


def is_cjk(word: str) -> bool:
    return len(word) == 1 and bool(re.match(f"[{_CJK}]", word))


@lru_cache(maxsize=65536)
def similar(a: str, b: str) -> float:
    """1.0 for the same word; less for one that may be a slip of the ear or the pen; 0.0 else."""
    if a == b:
        return 1.0
    if min(len(a), len(b)) < 4 or a[0] != b[0] or abs(len(a) - len(b)) > 2:
        return 0.0
    distance = _edit_distance(a, b)
    return 0.75 if distance <= max(len(a), len(b)) // 4 else 0.0


def _edit_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]
