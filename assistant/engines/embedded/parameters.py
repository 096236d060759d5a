"""A tool's arguments as the planner sees them: what kind of value each one wants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.words import is_cjk, tokens_of_tool


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a tool."""

    name: str
    schema: dict[str, Any]
    required: bool
    words: frozenset[str]  # stems of its name
    about: frozenset[str]  # the words of its name and description, lower case


def parameters_of(schema: dict[str, Any]) -> Iterator[Parameter]:
    """The arguments of a JSON schema of type object, in order.

    A client's schema may be anything: what is not of the form that JSON Schema asks for is passed
    over, here and in the functions below.
    """
    required = {name for name in _list(schema.get("required")) if isinstance(name, str)}
    for name, part in parts_of(schema).items():
        part = _resolved(part, schema)
        words = stems(spelled(name)) or [token.norm for token in tokens_of_tool(spelled(name))]
        about = re.findall(r"\w+", f"{spelled(name)} {part.get('description', '')}".lower())
        yield Parameter(name, part, name in required, frozenset(words), frozenset(about))


def parts_of(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schema of each argument, by its name."""
    return {name: _table(part) for name, part in _table(schema.get("properties")).items()}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _resolved(part: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """A part that refers to one of the schema's definitions, with that put in."""
    reference = str(part.get("$ref", ""))
    if reference.startswith("#/$defs/"):
        return {**_table(_table(whole.get("$defs")).get(reference[8:])), **part}
    return part


def kind_of(schema: dict[str, Any]) -> str:
    """enum, boolean, integer, number, string, array or object; of a union the first not null."""
    if "enum" in schema or "const" in schema:
        return "enum"
    for option in _options(schema):
        if option.get("type") != "null":
            return kind_of(option)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "string")
    return str(kind)


def _options(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The members of a union."""
    options = (*_list(schema.get("anyOf")), *_list(schema.get("oneOf")))
    return [option for option in options if isinstance(option, dict)]


def enum_values(schema: dict[str, Any]) -> list[Any]:
    """The values to choose from, also inside a union."""
    if "enum" in schema:
        return [value for value in _list(schema["enum"]) if value is not None]
    if "const" in schema:
        return [schema["const"]]
    return [value for option in _options(schema) for value in enum_values(option)]


def takes_words(parameter: Parameter) -> bool:
    """True if the value is free text, or a list of free texts."""
    return kind_of(parameter.schema) in ("string", "array") and not (
        is_day(parameter) or is_language(parameter)
    )


def is_fillable(parameter: Parameter) -> bool:
    """True if words of the utterance are filled in without being announced.

    Beside required values, further text would only be a guess; a place is recognized by "in".
    """
    return takes_words(parameter) and (parameter.required or is_place(parameter))


def is_place(parameter: Parameter) -> bool:
    return bool(word_class("place") & parameter.about)


def is_query(parameter: Parameter) -> bool:
    """True if a whole question is as good a value as its topic."""
    return bool(word_class("query") & (parameter.words | parameter.about))


def is_day(parameter: Parameter) -> bool:
    known = {"today", "tomorrow", "weekday", "date"} & parameter.about
    return bool(parameter.words & word_class("date")) or len(known) > 1


def is_language(parameter: Parameter) -> bool:
    return "languag" in parameter.words


def stems(text: str) -> list[str]:
    """The words of a text that say something, as they are compared."""
    return [
        token.norm for token in tokens_of_tool(text) if token.content and not is_cjk(token.word)
    ]


def spelled(name: str) -> str:
    """The words of an identifier: "orderStatus", "order_status" and "order-status" alike."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-./]+", " ", name)
