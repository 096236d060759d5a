"""A typed function with a docstring becomes a tool: its schema and its settings."""

from __future__ import annotations

import enum
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from assistant.errors import SettingsError
from assistant.plugins import Tool, ToolContext, tool


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: int
    y: int = 0


class Tree(BaseModel):
    children: list[Tree] = []


@dataclass
class Opaque:
    anything: object


def parameters(made: Tool) -> dict[str, Any]:
    return made.schema.parameters["properties"]


def test_a_typed_function_with_a_docstring_is_a_tool() -> None:
    @tool
    def roll(sides: int = 6) -> str:
        """Rolls a die."""
        return f"1 of {sides}"

    assert isinstance(roll, Tool)
    assert roll(sides=3) == "1 of 3"
    assert roll.schema.name == "roll"
    assert roll.schema.description == "Rolls a die."
    assert roll.schema.parameters == {
        "type": "object",
        "properties": {"sides": {"type": "integer", "default": 6}},
    }
    assert roll.side_effect == "once"
    assert roll.path == Path(__file__)
    assert roll.line == inspect.getsourcelines(roll.function)[1]
    assert list(inspect.signature(roll).parameters) == ["sides"]


def test_options_are_stored_in_the_tool() -> None:
    class Options(BaseModel):
        unit: str = "m"

    @tool(
        name="measure",
        examples=["how long is it?"],
        side_effect="none",
        timeout_s=3,
        needs_approval=True,
        settings=Options,
        lead_in="Let me measure.",
    )
    def anything() -> str:
        """Measures."""
        return ""

    assert (anything.name, anything.schema.name) == ("measure", "measure")
    assert anything.schema.examples == anything.examples == ("how long is it?",)
    assert (anything.side_effect, anything.timeout_s) == ("none", 3)
    assert anything.needs_approval
    assert anything.schema.lead_in == "Let me measure."
    assert anything.settings_model is Options


def test_the_text_of_an_annotation_describes_an_argument() -> None:
    @tool
    def f(
        city: Annotated[str, "Where, in any language"],
        days: Annotated[int, Field(ge=1, le=7), "How many"] = 1,
    ) -> str:
        """Doc."""
        return city

    assert f.schema.parameters["required"] == ["city"]
    assert parameters(f) == {
        "city": {"type": "string", "description": "Where, in any language"},
        "days": {
            "type": "integer",
            "minimum": 1,
            "maximum": 7,
            "default": 1,
            "description": "How many",
        },
    }


def test_an_optional_argument_has_the_plain_type() -> None:
    @tool
    def f(days: int | None = None, hours: int | None = 5) -> str:
        """Doc."""
        return ""

    assert parameters(f)["days"] == {"type": "integer"}
    assert parameters(f)["hours"] == {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "default": 5,
    }


def test_named_types_are_inlined_without_titles_and_references() -> None:
    @tool
    def f(color: Color, point: Point, day: Literal["now", "today"], title: list[str]) -> str:
        """Doc."""
        return ""

    assert parameters(f) == {
        "color": {"type": "string", "enum": ["red", "blue"]},
        "point": {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "default": 0}},
            "required": ["x"],
        },
        "day": {"type": "string", "enum": ["now", "today"]},
        "title": {"type": "array", "items": {"type": "string"}},
    }


def test_a_recursive_type_keeps_its_definition() -> None:
    @tool
    def f(tree: Tree) -> str:
        """Doc."""
        return ""

    children = parameters(f)["tree"]["properties"]["children"]
    assert children["items"] == {"$ref": "#/$defs/Tree"}
    assert f.schema.parameters["$defs"]["Tree"]["properties"]["children"]["type"] == "array"


def test_arguments_can_have_names_that_pydantic_uses() -> None:
    @tool
    def f(json: str, copy: int, model_config: str, _x: bool, title: str = "t") -> str:
        """Doc."""
        return ""

    assert list(parameters(f)) == ["json", "copy", "model_config", "_x", "title"]


def test_the_context_is_not_an_argument_for_the_model() -> None:
    @tool
    def f(context: ToolContext, word: str) -> str:
        """Doc."""
        return word

    assert list(parameters(f)) == ["word"]
    assert f.signature.contexts == ("context",)


class Weather(BaseModel):
    base_url: str = "https://example.org"
    cache_s: float = 60.0


class Keyed(BaseModel):
    api_key: str


@tool(settings=Weather)
def weather() -> str:
    """Doc."""
    return ""


def test_settings_default_and_are_converted() -> None:
    assert weather.configured().settings == Weather()
    assert weather.configured({"cache_s": "5"}).settings == Weather(cache_s=5.0)
    assert weather.settings is None  # the tool itself stays as it is


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"base_ulr": "x"}, r"unknown setting 'tools.weather.base_ulr'; did you mean 'base_url'\?"),
        ({"cache_s": "long"}, r"tools.weather.cache_s: input should be a valid number.*'long'"),
    ],
)
def test_a_wrong_settings_table_names_its_key(table: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        weather.configured(table)


def test_a_setting_without_default_must_be_set() -> None:
    @tool(settings=Keyed)
    def keyed() -> str:
        """Doc."""
        return ""

    with pytest.raises(SettingsError, match=r"tools.keyed.api_key: must be set$"):
        keyed.configured()


def test_a_settings_table_for_a_tool_without_settings_is_refused() -> None:
    @tool
    def plain() -> str:
        """Doc."""
        return ""

    with pytest.raises(SettingsError, match="the tool plain has no settings"):
        plain.configured({"x": 1})
