"""Extracts values of a known kind from the words of an utterance: numbers, days, languages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.words import Token, similar

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
_UNITS += " fifteen sixteen seventeen eighteen nineteen"
_SMALL = {word: number for number, word in enumerate(_UNITS.split())}
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL |= {word: 10 * number for number, word in enumerate(_TENS, 2)}
_SMALL["dozen"] = 12
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_CJK_DIGITS = {char: number for number, char in enumerate("零一二三四五六七八九十")} | {"两": 2}


def _any_of(name: str) -> str:
    return "|".join(sorted(word_class(name), key=len, reverse=True))


_DAY = re.compile(
    rf"""(?: (?:the\ )?day\ (?:after\ tomorrow|before\ yesterday)
    | (?:this|next|last|on|coming)\ (?:{_any_of("weekday")}|week(?:end)?|month|year)
    | {_any_of("weekday")} | {_any_of("day")} | right\ now | at\ the\ moment | the\ weekend
    | in\ (?:\d+|a|{"|".join(_SMALL)})\ (?:day|week|hour|minute)s?
    | (?:{_any_of("month")})\ (?:the\ )?\d{{1,2}}(?:st|nd|rd|th)?
    | \d{{1,2}}(?:st|nd|rd|th)?\ (?:of\ )?(?:{_any_of("month")})
    | this\ (?:morning|afternoon|evening)
    )(?:\ (?:morning|afternoon|evening|night|at\ noon))?""",
    re.VERBOSE,
)
_CJK_DAY = re.compile(
    "今天|明天|大后天|后天|昨天|现在|今晚|明晚|(?:这|下)?(?:周|星期)[一二三四五六日天末]|[这下]周"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A value and the tokens [first, end) that say it."""

    value: float | str
    first: int
    end: int


def numbers(words: Sequence[Token]) -> Iterator[Found]:
    """All numbers, in digits or in English or Chinese words: "42", "3.5", "twenty one", "三"."""
    index = 0
    while index < len(words):
        found = _digits(words, index) or _number_words(words, index) or _cjk_number(words, index)
        if found is None:
            index += 1
            continue
        yield found
        index = found.end


def _digits(words: Sequence[Token], index: int) -> Found | None:
    word = words[index].word
    text = word.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+", word) else word
    if not re.fullmatch(r"[0-9]{1,18}(?:\.[0-9]{1,18})?", text):
        return None
    value = float(text)
    negative = index > 0 and words[index - 1].word in ("minus", "negative")
    return Found(-value if negative else value, index - negative, index + 1)


def _number_words(words: Sequence[Token], index: int) -> Found | None:
    """Reads "two hundred and forty two"; "four two" are two numbers, "forty two" is one."""
    total, current, last, end = 0, 0, None, index
    while end < len(words):
        word = words[end].word
        if word in _SMALL and (last is None or last in _SCALES or _adds(last, word)):
            current += _SMALL[word]
        elif word in _SCALES:
            current = max(current, 1) * _SCALES[word]
            if _SCALES[word] > 100:
                total, current = total + current, 0
        elif word == "and" and last in _SCALES and _next_is_small(words, end):
            end += 1
            continue
        else:
            break
        last, end = word, end + 1
    if last is None:
        return None
    first = index - (index > 0 and words[index - 1].word in ("minus", "negative"))
    value = float(total + current)
    return Found(-value if first < index else value, first, end)


def _adds(last: str, word: str) -> bool:
    return last in _TENS and 0 < _SMALL[word] < 10


def _next_is_small(words: Sequence[Token], index: int) -> bool:
    return index + 1 < len(words) and words[index + 1].word in _SMALL


def _cjk_number(words: Sequence[Token], index: int) -> Found | None:
    end, value = index, 0
    while end < len(words) and (digit := _CJK_DIGITS.get(words[end].word)) is not None:
        if digit == 10:
            value = max(value, 1) * 10
        else:
            value = value + digit if value % 10 == 0 else value * 10 + digit
        end += 1
    return Found(float(value), index, end) if end > index else None


def days(words: Sequence[Token]) -> Iterator[Found]:
    """Every expression of a day or time, as the words it was said in: "tomorrow", "in 3 days"."""
    joined, starts = _joined(words)
    for pattern in (_DAY, _CJK_DAY):
        text = joined if pattern is _DAY else joined.replace(" ", "")
        places = starts if pattern is _DAY else _starts(words, 0)
        for match in pattern.finditer(text):
            first = places.get(match.start())
            end = places.get(match.end() + (pattern is _DAY), None)
            if match.end() == len(text):
                end = len(words)
            if first is not None and end is not None:
                yield Found(match.group().removeprefix("on "), first, end)


def languages(words: Sequence[Token]) -> Iterator[Found]:
    """Names of languages, slightly misspelled ones included."""
    known = word_class("language")
    for index in range(len(words)):
        for length in (1, 2, 3, 4):  # a name in Chinese has a token for each character
            said = "".join(word.word for word in words[index : index + length])
            name = said if said in known else _misspelled(said, known) if length == 1 else ""
            if name:
                yield Found(name, index, index + length)
                break


def _misspelled(word: str, known: frozenset[str]) -> str:
    near = (name for name in sorted(known) if len(name) > 5 and similar(word, name))
    return next(near, "")


def _joined(words: Sequence[Token]) -> tuple[str, dict[int, int]]:
    return " ".join(token.word for token in words), _starts(words, 1)


def _starts(words: Sequence[Token], blank: int) -> dict[int, int]:
    """Character at which each token begins in the joined text, to its index."""
    starts, at = {}, 0
    for index, token in enumerate(words):
        starts[at] = index
        at += len(token.word) + blank
    return starts
