"""A function that can't be described to the model is refused, with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from assistant.errors import PluginError
from assistant.plugins import ToolContext, tool


class Point(BaseModel):
    x: int


def refused(make: Any, match: str) -> None:
    with pytest.raises(PluginError, match=match) as caught:
        make()
    assert caught.value.path == Path(__file__)
    assert caught.value.line is not None
    assert f"{__file__}:{caught.value.line}: " in str(caught.value)


def untyped(x) -> str:  # type: ignore[no-untyped-def]
    """Doc."""
    return ""


def with_args(*words: str) -> str:
    """Doc."""
    return ""


def with_kwargs(**words: str) -> str:
    """Doc."""
    return ""


def positional_only(x: str, /) -> str:
    """Doc."""
    return ""


def without_docstring(x: str) -> str:
    return ""


def unresolved(x: NoSuchType) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Doc."""
    return ""


def broken_annotation(x: Literal["a"].nothing) -> str:  # type: ignore
    """Doc."""
    return ""


def wrong_default(days: int = "many") -> str:  # type: ignore[assignment]
    """Doc."""
    return ""


def wrong_choice(day: Literal["now", "today"] = "never") -> str:  # type: ignore[assignment]
    """Doc."""
    return ""


def none_default(day: str = None) -> str:  # type: ignore[assignment]  # noqa: RUF013
    """Doc."""
    return ""


def opaque(thing: threading_lock) -> str:  # type: ignore[valid-type]
    """Doc."""
    return ""


def optional_context(context: ToolContext | None = None) -> str:
    """Doc."""
    return ""


def generator() -> Any:
    """Doc."""
    yield "a"


threading_lock = type("Lock", (), {})


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (untyped, "argument 'x' has no type"),
        (with_args, r"\*words can't be described"),
        (with_kwargs, r"\*\*words can't be described"),
        (positional_only, "'x' is positional-only"),
        (without_docstring, "it has no docstring"),
        (unresolved, "'NoSuchType' is not defined"),
        (broken_annotation, "an annotation can't be resolved"),
        (wrong_default, "the default 'many' does not fit its type: input should be a valid int"),
        (wrong_choice, "the default 'never' does not fit"),
        (none_default, r"add `\| None` to the type"),
        (opaque, "argument 'thing': its type can't be written as JSON"),
        (optional_context, "annotate it `ToolContext` alone"),
        (generator, "it yields"),
        (lambda: "", "the name must be"),
    ],
)
def test_a_function_that_cannot_be_described_is_refused(function: Any, match: str) -> None:
    refused(lambda: tool(function), match)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": "9lives"}, "the name must be"),
        ({"name": "with space"}, "the name must be"),
        ({"name": "x" * 65}, "the name must be"),
        ({"name": "größe"}, "the name must be"),
        ({"name": 5}, "the name must be"),
        ({"examples": "one sentence"}, "examples must be a list"),
        ({"examples": ["good", 5]}, "examples must be a list"),
        ({"examples": 5}, "examples must be a list"),
        ({"examples": [" "]}, "examples must be a list"),
        ({"side_effect": "some"}, "side_effect must be none, idempotent or once, not 'some'"),
        ({"side_effect": []}, "side_effect must be"),
        ({"timeout_s": 0}, "timeout_s must be"),
        ({"timeout_s": float("inf")}, "timeout_s must be"),
        ({"timeout_s": "5"}, "timeout_s must be"),
        ({"settings": dict}, "settings must be a class derived from pydantic.BaseModel"),
        ({"settings": Point(x=1)}, "settings must be a class"),
        ({"lead_in": 5}, "lead_in must be a sentence"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], match: str) -> None:
    def word(x: str) -> str:
        """Doc."""
        return x

    refused(lambda: tool(**options)(word), match)


def test_only_functions_become_tools() -> None:
    @tool
    def word(x: str) -> str:
        """Doc."""
        return x

    refused(lambda: tool(Point), "goes above a function")  # type: ignore[call-overload]
    refused(lambda: tool("name"), "options are given by name")  # type: ignore[call-overload]
    refused(lambda: tool(word), "is above a tool already")


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(PluginError, match=r"no docstring.*side_effect.*'x'.*'y'"):

        @tool(side_effect="bad")  # type: ignore[call-overload]
        def f(x, y) -> None:  # type: ignore[no-untyped-def]
            pass
