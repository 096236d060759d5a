"""Profiles of tools: what a tool's name, description and examples tell about its intent.

Every word of an example gets a weight: high for the words of the tool itself ("weather"), low for
those that hold a sentence together, and 0 for those that only fill an argument ("in berlin").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile
from typing import Any

from assistant.engines.embedded.parameters import (
    Parameter,
    enum_values,
    is_fillable,
    kind_of,
    parameters_of,
    parts_of,
    spelled,
    stems,
)
from assistant.engines.embedded.value_extractors import numbers
from assistant.engines.embedded.words import (
    COURTESY,
    PREPOSITIONS,
    QUESTION_WORDS,
    Token,
    is_cjk,
    tokens_of_tool,
)
from assistant.messages import ToolSchema

_QUOTED = re.compile(r"'[^']{1,60}'|\"[^\"]{1,60}\"|`[^`]{1,60}`")

OWN, OFTEN, ONCE, QUESTION, GLUE, SLOT = 1.0, 0.8, 0.4, 0.25, 0.15, 0.0
CJK, CJK_ONCE = 0.5, 0.3  # a character; a word has two or so
_DESCRIPTION, _PARAMETER = 0.7, 0.5


@dataclass(frozen=True, slots=True)
class Anchor:
    """A word of an example; its weight is 0 in the place of an argument."""

    token: Token
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A tool as the planner sees it."""

    tool: ToolSchema
    parameters: tuple[Parameter, ...]
    examples: tuple[tuple[Anchor, ...], ...]
    vocabulary: dict[str, float]  # stem to weight: words that speak for the tool
    name_weight: float  # of all words of the name together

    @property
    def open(self) -> bool:
        """True if an argument may take any words of an utterance."""
        return any(map(is_fillable, self.parameters)) or (
            not any(parameter.required for parameter in self.parameters)
            and any(kind_of(parameter.schema) == "string" for parameter in self.parameters)
        )


def profiles(tools: Sequence[ToolSchema]) -> tuple[Profile, ...]:
    """Returns the profiles of all tools; each is computed once."""
    return tuple(_profile(_Key(tool)) for tool in tools)


class _Key:
    """A schema as a key of the cache: the same object is the same tool."""

    def __init__(self, tool: ToolSchema) -> None:
        self.tool = tool

    def __hash__(self) -> int:
        return hash((self.tool.name, self.tool.description, self.tool.examples))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.tool == other.tool


@lru_cache(maxsize=1024)
def _profile(key: _Key) -> Profile:
    tool = key.tool
    parameters = tuple(parameters_of(tool.parameters))
    said = [words for words in map(_without_courtesy, tool.examples) if words]
    counts = Counter(norm for words in said for norm in {token.norm for token in words})
    own = _own_words(tool, parameters)
    samples = _sample_values(tool.parameters)
    examples = tuple(tuple(_anchors(words, own, counts, samples)) for words in said)
    vocabulary = dict(own)
    for anchor in (anchor for example in examples for anchor in example):
        if anchor.token.content and anchor.weight >= OFTEN:
            vocabulary.setdefault(anchor.token.norm, anchor.weight)
    name_weight = sum(own[norm] for norm in stems(spelled(tool.name)))
    return Profile(tool, parameters, examples, vocabulary, name_weight)


def _without_courtesy(example: str) -> tuple[Token, ...]:
    return tuple(dropwhile(lambda token: token.word in COURTESY, tokens_of_tool(example)))


def _own_words(tool: ToolSchema, parameters: Iterable[Parameter]) -> dict[str, float]:
    """The words of name, first sentence and arguments; their heaviest place counts."""
    own: dict[str, float] = {}
    first_sentence = re.split(r"(?<=[.!?。！？])\s|\n", tool.description.strip())[0]
    for parameter in parameters:
        own |= dict.fromkeys(parameter.words, _PARAMETER)
        for value in enum_values(parameter.schema):
            own |= dict.fromkeys(stems(spelled(str(value))), _PARAMETER)
    own |= dict.fromkeys(stems(first_sentence), _DESCRIPTION)
    own |= dict.fromkeys(stems(spelled(tool.name)), OWN)
    return own


def _sample_values(schema: dict[str, Any]) -> frozenset[str]:
    """Returns the sample values in quotes in the descriptions of arguments."""
    parts = parts_of(schema).values()
    quoted = [text for part in parts for text in _QUOTED.findall(str(part.get("description", "")))]
    return frozenset(norm for text in quoted for norm in stems(text))


def _anchors(
    words: Sequence[Token], own: dict[str, float], counts: Counter[str], samples: frozenset[str]
) -> Iterator[Anchor]:
    counted = {i for found in numbers(words) for i in range(found.first, found.end)}
    governed, in_slot = False, False  # behind a preposition; behind a word of an argument
    for index, token in enumerate(words):
        weight = _weight(token, own, counts)
        if index in counted and not is_cjk(token.word):
            weight = SLOT
        elif token.word in PREPOSITIONS:
            governed, in_slot = True, False
        elif not token.content:
            weight = SLOT if in_slot else weight
        elif own.get(token.norm, 0.0) < _DESCRIPTION and (governed or token.norm in samples):
            weight, in_slot = SLOT, True
        else:
            governed, in_slot = False, False
        yield Anchor(token, weight)


def _weight(token: Token, own: dict[str, float], counts: Counter[str]) -> float:
    if token.word in QUESTION_WORDS:
        return QUESTION
    if not token.content:
        return GLUE
    if is_cjk(token.word):
        return CJK if counts[token.norm] > 1 else CJK_ONCE
    return own.get(token.norm) or (OFTEN if counts[token.norm] > 1 else ONCE)
