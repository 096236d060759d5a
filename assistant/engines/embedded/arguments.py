"""Slot filling: fills a tool's arguments from an utterance, by type, by name and by position.

Values of a clear type go first (choices, numbers, days, languages); the rest of the utterance,
without the words that the nearest example has too, is free text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.matching import Match
from assistant.engines.embedded.parameters import (
    Parameter,
    enum_values,
    is_day,
    is_fillable,
    is_language,
    kind_of,
    takes_words,
)
from assistant.engines.embedded.spans import free_spans, whole
from assistant.engines.embedded.value_extractors import Found, days, languages, numbers
from assistant.engines.embedded.words import Token, tokens, tokens_of_tool

_YES, _NO = word_class("yes"), word_class("no")
_OPPOSITES = {"on": "off", "open": "close", "start": "stop", "lock": "unlock", "enabl": "disabl"}


@dataclass
class Filling:
    """The arguments found so far, and the words of the utterance that are used up."""

    text: str
    words: Sequence[Token]
    values: dict[str, Any] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)

    def take(self, parameter: Parameter, value: Any, first: int, end: int) -> None:
        self.values[parameter.name] = value
        self.taken.update(range(first, end))

    def is_free(self, found: Found) -> bool:
        return not self.taken.intersection(range(found.first, found.end))


def fill(text: str, words: Sequence[Token], match: Match) -> dict[str, Any]:
    """Returns the arguments in the utterance; required ones may be missing."""
    filling = Filling(text, words)
    parameters = match.profile.parameters
    _fill_typed(filling, parameters)
    _fill_text(filling, [p for p in parameters if p.name not in filling.values], match)
    return {p.name: filling.values[p.name] for p in parameters if p.name in filling.values}


def fill_answer(text: str, parameter: Parameter) -> Any:
    """Returns the value in a reply to "which ...?", or None if there is none."""
    value = typed_value(text, parameter)
    if value is None and kind_of(parameter.schema) in ("string", "array"):
        said = whole(text, tokens(text))
        return _shaped(said, parameter) if said else None
    return value


def typed_value(text: str, parameter: Parameter) -> Any:
    """The value of a clear type (choice, number, day, language) in the text; None without one."""
    filling = Filling(text, tokens(text))
    _fill_typed(filling, [parameter], answering=True)
    return filling.values.get(parameter.name)


def missing(arguments: dict[str, Any], parameters: Sequence[Parameter]) -> list[Parameter]:
    return [p for p in parameters if p.required and p.name not in arguments]


def _fill_typed(
    filling: Filling, parameters: Sequence[Parameter], *, answering: bool = False
) -> None:
    texts = any(kind_of(p.schema) == "string" and p.required for p in parameters)
    for parameter in parameters:
        kind = kind_of(parameter.schema)
        if kind == "enum":
            _fill_choice(filling, parameter)
        elif kind == "boolean":
            _fill_boolean(filling, parameter, answering)
        elif kind == "string":
            _fill_known_text(filling, parameter)
    for parameter in parameters:
        if kind_of(parameter.schema) in ("integer", "number"):
            _fill_number(filling, parameter, only_named=texts and not parameter.required)


def _fill_choice(filling: Filling, parameter: Parameter) -> None:
    values = enum_values(parameter.schema)
    said = list(_choices(filling.words, values))
    # "convert dollars to yen": the one after the argument's name, else the longest, else the first
    named = [
        one for one in said if filling.words[one.first - 1].norm in parameter.words and one.first
    ]
    for found in named or sorted(said, key=lambda one: one.first - one.end):
        filling.take(parameter, found.value, found.first, found.end)
        return
    for number in numbers(filling.words):
        if number.value in values and filling.is_free(number):
            value = values[values.index(number.value)]
            filling.take(parameter, value, number.first, number.end)
            return


def _choices(words: Sequence[Token], values: Sequence[Any]) -> Iterator[Found]:
    """Yields every place of one of the values."""
    norms = [token.norm for token in words]
    for value in values:
        wanted = [token.norm for token in tokens_of_tool(str(value).replace("_", " "))]
        for first in range(len(norms) - len(wanted) + 1):
            if wanted and norms[first : first + len(wanted)] == wanted:
                yield Found(value, first, first + len(wanted))


def _fill_boolean(filling: Filling, parameter: Parameter, answering: bool) -> None:
    for index, token in enumerate(filling.words):
        near = {word.word for word in filling.words[max(index - 2, 0) : index + 2]}
        if answering and token.word in _YES | _NO:
            filling.take(parameter, token.word in _YES, index, index + 1)
            return
        if token.norm in parameter.words:
            filling.take(parameter, not near & _NO - {token.word}, index, index + 1)
            return
        if token.norm in {_OPPOSITES.get(word) for word in parameter.words}:
            filling.take(parameter, False, index, index + 1)
            return


def _fill_known_text(filling: Filling, parameter: Parameter) -> None:
    """Fills days and languages: text that is known by its words, and passed on as it was said."""
    found: Iterator[Found] = iter(())
    if is_day(parameter):
        found = days(filling.words)
    elif is_language(parameter):
        found = languages(filling.words)
    for value in found:
        if filling.is_free(value):
            first = value.first
            if first and filling.words[first - 1].word in word_class("before_known"):
                first -= 1
            filling.take(parameter, value.value, first, value.end)
            return


def _fill_number(filling: Filling, parameter: Parameter, *, only_named: bool) -> None:
    free = [number for number in numbers(filling.words) if filling.is_free(number)]
    named = [number for number in free if _near_name(number, filling.words, parameter)]
    for number in named or ([] if only_named else free):
        value = float(number.value)
        if value.is_integer() or kind_of(parameter.schema) == "number":
            exact = int(value) if value.is_integer() else value
            end = number.end + _named_after(number, filling.words, parameter)
            filling.take(parameter, exact, number.first, end)
            return


def _near_name(number: Found, words: Sequence[Token], parameter: Parameter) -> bool:
    before = words[max(number.first - 2, 0) : number.first]
    named = any(token.norm in parameter.words for token in before)
    return named or _named_after(number, words, parameter)


def _named_after(number: Found, words: Sequence[Token], parameter: Parameter) -> bool:
    """ "three results", "ten minutes" """
    return any(token.norm in parameter.words for token in words[number.end : number.end + 1])


def _fill_text(filling: Filling, parameters: Sequence[Parameter], match: Match) -> None:
    wanted = list(filter(is_fillable, parameters))
    if not any(p.required for p in match.profile.parameters):
        wanted = list(filter(takes_words, parameters))
    wanted.sort(key=lambda p: not p.required)
    spans = free_spans(filling.text, filling.words, filling.taken, match, wanted)
    for parameter, value in spans:
        filling.values[parameter.name] = _shaped(value, parameter)


def _shaped(value: str, parameter: Parameter) -> Any:
    return [value] if kind_of(parameter.schema) == "array" else value
