"""The model's arguments are valid, corrected, or refused with words that help to correct them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from pydantic import BaseModel

from assistant.plugins import ToolOutcome, tool
from assistant.plugins.arguments import canonical
from assistant.testing import call_tool
from tests.support.tool_calls import tool_call

DEEP = "[" * 100_000 + "]" * 100_000


class Point(BaseModel):
    x: int
    y: int = 0


@tool
def everything(
    word: str = "",
    number: int = 0,
    ratio: float = 0.0,
    flag: bool = False,
    words: list[str] | None = None,
    day: Literal["now", "today"] = "now",
    point: Point | None = None,
    either: str | list[int] = "",
) -> list[Any]:
    """Says what it was given."""
    return [word, number, ratio, flag, words, day, point, either]


@tool
def travel(city: Annotated[str, "Where"], days: int) -> str:
    """Travels."""
    return f"{days} days in {city}"


def given_as(arguments: dict[str, Any] | str) -> Any:
    outcome = call_tool(everything, arguments)
    assert outcome.outcome == "ok", outcome.text
    return outcome.data


def wrong(arguments: dict[str, Any] | str) -> str:
    outcome = call_tool(travel, arguments)
    assert outcome.outcome == "error"
    assert outcome.attempts == 0
    return outcome.text


@bounded(max_examples=40)
@given(
    st.fixed_dictionaries(
        {
            "word": st.text(st.characters(codec="utf-8")),
            "number": st.integers(),
            "ratio": st.floats(allow_nan=False, allow_infinity=False),
            "flag": st.booleans(),
            "words": st.none() | st.lists(st.text(st.characters(codec="utf-8"))),
            "day": st.sampled_from(["now", "today"]),
        }
    )
)
def test_valid_values_are_passed_unchanged(values: dict[str, Any]) -> None:
    names = everything.schema.parameters["properties"]
    arrived = dict(zip(names, given_as(values), strict=True))
    assert {name: arrived[name] for name in values} == values


@pytest.mark.parametrize(
    ("name", "written", "arrives"),
    [
        ("number", "3", 3),
        ("ratio", "2.5", 2.5),
        ("flag", "true", True),
        ("word", 2024, "2024"),
        ("words", '["a", "b"]', ["a", "b"]),
        ("words", None, None),
        ("point", '{"x": 1}', {"x": 1, "y": 0}),
        ("number", None, 0),
        ("word", None, ""),
        ("word", '["a"]', '["a"]'),
        ("either", "[1, 2]", "[1, 2]"),
    ],
)
def test_common_variants_of_models_are_accepted(name: str, written: Any, arrives: Any) -> None:
    defaults = dict(zip(everything.schema.parameters["properties"], given_as({}), strict=True))
    assert given_as({name: written}) == list((defaults | {name: arrives}).values())


@pytest.mark.parametrize("text", ["", "  ", "{}", "\n{}\n"])
def test_absent_arguments_are_an_empty_object(text: str) -> None:
    assert given_as(text)[1] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"city": "Ulm"}, "days is missing"),
        ({"days": 3}, "city is missing"),
        ({"city": "Ulm", "days": "many"}, "days: input should be a valid integer"),
        ({"city": None, "days": 1}, "city: input should be a valid string, not None"),
        ({"city": "Ulm", "dayz": 1}, "there is no argument 'dayz', did you mean 'days'"),
        ({"city": ["x" * 500], "days": 1}, "…"),
        ("[1]", "must be a JSON object"),
        ('"Ulm"', "must be a JSON object"),
        ('{"city": "Ulm", ', "are not JSON"),
        ("{'city': 'Ulm'}", "are not JSON"),
        ('{"city": "Ulm", "days": NaN}', "are not JSON"),
        ('{"city": "\\ud800", "days": 1}', "are not JSON"),
        ('{"city": ' + DEEP + "}", "are not JSON"),
        ('{"city": "Ulm", "days": ' + "9" * 5000 + "}", "The arguments of travel are"),
    ],
)
def test_a_wrong_argument_is_reported_with_what_would_fit(arguments: Any, said: str) -> None:
    text = wrong(arguments)
    assert said in text
    assert text.endswith("It takes city (string, required), days (integer, required).")
    assert len(text) < 500


@bounded(max_examples=60)
@given(
    st.text(max_size=40)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["word", "number", "words", "point", "q"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ).map(json.dumps)
)
def test_any_text_ends_in_a_result_or_an_error_in_words(text: str) -> None:
    outcome: ToolOutcome = call_tool(everything, text)
    assert outcome.outcome in ("ok", "error")
    assert "unexpectedly" not in outcome.text


@bounded(max_examples=50)
@given(st.dictionaries(st.text(max_size=3), st.integers() | st.lists(st.integers()), max_size=4))
def test_order_and_layout_do_not_change_the_canonical_call(values: dict[str, Any]) -> None:
    turned = json.dumps(dict(reversed(values.items())), indent=3)
    assert canonical(tool_call("f", json.dumps(values))) == canonical(tool_call("f", turned))


def test_other_arguments_or_another_name_change_the_canonical_call() -> None:
    texts = ["", '{"a": 1}', '{"a": 2}', '{"a": "1"}', '{"b": 1}', "{", '{"a": ', DEEP]
    different = {canonical(tool_call("f", text)) for text in texts}
    assert len(different) == len(texts)
    assert canonical(tool_call("f", "{}")) == canonical(tool_call("f", " "))
    assert canonical(tool_call("g", "{}")) != canonical(tool_call("f", "{}"))
