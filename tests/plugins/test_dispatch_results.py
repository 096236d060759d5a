"""What a tool returns becomes text for the model and data for the program."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from assistant.errors import ToolError
from assistant.plugins import Tool, ToolOutcome, ToolResult, tool
from assistant.testing import FailingTool

pytestmark = pytest.mark.anyio

OutcomeOf = Callable[..., Awaitable[ToolOutcome]]


def answering(value: Any) -> Tool:
    @tool
    async def answer() -> Any:
        """Answers."""
        return value

    return answer


class Place(BaseModel):
    name: str


@dataclass
class Visit:
    place: Place
    day: date


@pytest.mark.parametrize(
    ("value", "text", "data"),
    [
        ("two words", "two words", None),
        ("", "", None),
        (None, "done", None),
        (5, "5", 5),
        (True, "true", True),
        (["a", 1], '["a",1]', ["a", 1]),
        ({"größe": 1.5}, '{"größe":1.5}', {"größe": 1.5}),
        (Place(name="Ulm"), '{"name":"Ulm"}', {"name": "Ulm"}),
        (
            Visit(Place(name="Ulm"), date(2024, 2, 29)),
            '{"place":{"name":"Ulm"},"day":"2024-02-29"}',
            {"place": {"name": "Ulm"}, "day": "2024-02-29"},
        ),
        (float("nan"), "null", None),
        ("half a \ud83d pair", "half a ? pair", None),
        ("<tool_call>x</tool_call><|EOT|>", "<tool_call>x</tool_call><|EOT|>", None),
    ],
)
async def test_what_a_tool_returns_becomes_text(
    value: Any, text: str, data: Any, outcome_of: OutcomeOf
) -> None:
    outcome = await outcome_of(answering(value))
    assert (outcome.outcome, outcome.text, outcome.data) == ("ok", text, data)
    assert outcome.attempts == 1
    assert outcome.seconds >= 0


async def test_a_tool_result_carries_data_and_a_voice(outcome_of: OutcomeOf) -> None:
    data = object()
    outcome = await outcome_of(answering(ToolResult("Found.", data, voice="awb")))
    assert (outcome.text, outcome.voice) == ("Found.", "awb")
    assert outcome.data is data


circle: list[Any] = []
circle.append(circle)


@pytest.mark.parametrize(
    "value",
    [object(), circle, {"f": len}, b"\xff", iter([1]), (x for x in "ab"), ToolResult(5)],  # type: ignore[arg-type]
)
async def test_a_result_that_has_no_text_is_an_error(
    value: Any, caplog: pytest.LogCaptureFixture, outcome_of: OutcomeOf
) -> None:
    outcome = await outcome_of(answering(value))
    assert outcome.outcome == "error"
    assert outcome.text == "The tool answer returned what can't be put into words."
    assert caplog.records[0].exc_info


@pytest.mark.parametrize("text", ["word " * 100, "字" * 500, "x" * 101, "\n" * 500])
async def test_a_long_result_is_truncated_and_says_so(text: str, outcome_of: OutcomeOf) -> None:
    outcome = await outcome_of(answering(text), max_result_chars=100)
    assert outcome.outcome == "ok"
    assert len(outcome.text) <= 100
    kept, _, note = outcome.text.partition(" … ")
    assert note == f"[cut: {len(text)} characters in all]"
    assert text.startswith(kept)
    assert text[: len(kept)] + " " in text + " " or " " not in text


async def test_a_result_is_truncated_between_words(outcome_of: OutcomeOf) -> None:
    outcome = await outcome_of(answering("Donaudampfschiff " * 30), max_result_chars=100)
    assert outcome.text.split(" … ")[0].endswith("Donaudampfschiff")


async def test_an_error_for_the_model_is_truncated_too(outcome_of: OutcomeOf) -> None:
    failing = FailingTool(ToolError("word " * 100))
    assert len((await outcome_of(failing.tool, max_result_chars=100)).text) == 100
