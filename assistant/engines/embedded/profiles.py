"""What a tool's own words say about when it is meant: its name, description and examples.

Every word of an example gets a weight: much for the words of the tool itself ("weather"), little
for those that hold a sentence together, and nothing for those that only fill an argument in
("in berlin").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assistant.engines.embedded.words import (
    PREPOSITIONS,
    QUESTION_WORDS,
    Token,
    is_cjk,
    tokens,
)
from assistant.messages import ToolSchema

_QUOTED = re.compile(r"'[^']{1,60}'|\"[^\"]{1,60}\"|`[^`]{1,60}`")
_SLOT = re.compile(r"\{(\w+)\}")

OWN, OFTEN, ONCE, QUESTION, GLUE, SLOT = 1.0, 0.8, 0.4, 0.25, 0.15, 0.0
_DESCRIPTION, _PARAMETER = 0.7, 0.5


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a tool."""

    name: str
    schema: dict[str, Any]
    required: bool
    words: frozenset[str]  # stems of its name
    about: str  # name and description, lower case


@dataclass(frozen=True, slots=True)
class Anchor:
    """A word of an example; weight 0 where an argument stands in its place."""

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
        """True where an argument takes any words."""
        return any(is_free_text(parameter) for parameter in self.parameters)


def is_free_text(parameter: Parameter) -> bool:
    return kind_of(parameter.schema) == "string"


def kind_of(schema: dict[str, Any]) -> str:
    """enum, boolean, integer, number, string, array or object; of unions the first that is not null."""
    if "enum" in schema or "const" in schema:
        return "enum"
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if isinstance(option, dict) and option.get("type") != "null":
            return kind_of(option)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "string")
    return str(kind)


def enum_values(schema: dict[str, Any]) -> list[Any]:
    """The values to choose from, also inside a union."""
    if "enum" in schema:
        return [value for value in schema["enum"] if value is not None]
    if "const" in schema:
        return [schema["const"]]
    options = (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
    return [value for option in options for value in enum_values(option)]


def profiles(tools: Sequence[ToolSchema]) -> tuple[Profile, ...]:
    """The profiles of all tools; each is made once."""
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
    parameters = tuple(_parameters(tool.parameters))
    texts = [_SLOT.sub(" ", example) for example in tool.examples]
    counts = Counter(norm for text in texts for norm in {token.norm for token in tokens(text)})
    own = _own_words(tool, parameters)
    samples = _sample_values(tool.parameters)
    examples = tuple(
        tuple(_anchors(tokens(text), own, counts, samples)) for text in texts if tokens(text)
    )
    vocabulary = dict(own)
    for anchor in (anchor for example in examples for anchor in example):
        if anchor.token.content and anchor.weight >= OFTEN:
            vocabulary.setdefault(anchor.token.norm, anchor.weight)
    name_weight = sum(own[norm] for norm in _stems(_spelt(tool.name)))
    return Profile(tool, parameters, examples, vocabulary, name_weight)


def _parameters(schema: dict[str, Any]) -> Iterator[Parameter]:
    required = set(schema.get("required", ()))
    for name, part in schema.get("properties", {}).items():
        part = _resolved(part, schema)
        about = f"{_spelt(name)} {part.get('description', '')}".lower()
        yield Parameter(name, part, name in required, frozenset(_stems(_spelt(name))), about)


def _resolved(part: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """A part that refers to one of the schema's definitions, with that put in."""
    reference = str(part.get("$ref", ""))
    if reference.startswith("#/$defs/"):
        return {**whole.get("$defs", {}).get(reference[8:], {}), **part}
    return part


def _own_words(tool: ToolSchema, parameters: Iterable[Parameter]) -> dict[str, float]:
    """The words of name, first sentence and arguments; their heaviest place counts."""
    own: dict[str, float] = {}
    first_sentence = re.split(r"(?<=[.!?。！？])\s|\n", tool.description.strip())[0]
    for parameter in parameters:
        own |= dict.fromkeys(parameter.words, _PARAMETER)
        for value in enum_values(parameter.schema):
            own |= dict.fromkeys(_stems(_spelt(str(value))), _PARAMETER)
    own |= dict.fromkeys(_stems(first_sentence), _DESCRIPTION)
    own |= dict.fromkeys(_stems(_spelt(tool.name)), OWN)
    return own


def _stems(text: str) -> list[str]:
    return [token.norm for token in tokens(text) if token.content and not is_cjk(token.word)]


def _spelt(name: str) -> str:
    """The words of an identifier: "orderStatus", "order_status" and "order-status" alike."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-./]+", " ", name)


def _sample_values(schema: dict[str, Any]) -> frozenset[str]:
    """Words that the descriptions of arguments give as samples, in quotes."""
    parts = schema.get("properties", {}).values()
    quoted = [text for part in parts for text in _QUOTED.findall(str(part.get("description", "")))]
    return frozenset(norm for text in quoted for norm in _stems(text))


def _anchors(
    words: Sequence[Token], own: dict[str, float], counts: Counter[str], samples: frozenset[str]
) -> Iterator[Anchor]:
    in_slot = False
    for token in words:
        weight = _weight(token, own, counts)
        if token.word in PREPOSITIONS:
            in_slot = True
        elif token.content and weight < OWN and (in_slot or token.norm in samples):
            weight = weight if own.get(token.norm, 0.0) >= _DESCRIPTION else SLOT
        elif token.content:
            in_slot = False
        yield Anchor(token, weight)


def _weight(token: Token, own: dict[str, float], counts: Counter[str]) -> float:
    if token.word in QUESTION_WORDS:
        return QUESTION
    if not token.content:
        return GLUE
    if is_cjk(token.word):
        return ONCE if counts[token.norm] > 1 else ONCE / 2
    return own.get(token.norm) or (OFTEN if counts[token.norm] > 1 else ONCE)
