"""Which tools an utterance asks for, with which arguments; no tool is known by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engines.embedded.arguments import fill_answer
from assistant.engines.embedded.parameters import parameters_of
from assistant.engines.embedded.planner import plan
from assistant.messages import ToolSchema
from tests.engines.embedded.toolbox import TOOLS, schema, text
from tests.engines.embedded.utterances import UTTERANCES, Calls


def calls(utterance: str, tools: tuple[ToolSchema, ...] = TOOLS) -> Calls:
    return [(request.tool.name, request.arguments) for request in plan(utterance, tools)]


@pytest.mark.parametrize(("utterance", "wanted"), UTTERANCES)
def test_an_utterance_is_planned_as_the_expected_calls(utterance: str, wanted: Calls) -> None:
    assert calls(utterance) == wanted


def test_the_order_of_the_tools_does_not_matter() -> None:
    for utterance, wanted in UTTERANCES:
        assert calls(utterance, TOOLS[::-1]) == wanted, utterance


def test_a_tool_is_found_among_two_hundred_others() -> None:
    others = tuple(
        schema(f"adjust_gadget_{n}", f"Adjusts gadget number {n}.", {"level": {"type": "integer"}})
        for n in range(200)
    )
    assert calls("will it rain in oslo tomorrow", others + TOOLS) == [
        ("weather", {"location": "oslo", "day": "tomorrow"})
    ]


def test_a_missing_argument_is_named() -> None:
    (request,) = plan("what's the weather", TOOLS)
    assert (request.arguments, [p.name for p in request.missing]) == ({}, ["location"])


@pytest.mark.parametrize(
    ("answer", "parameter", "value"),
    [
        ("in Rome", {"location": text()}, "Rome"),
        ("it's New York, please", {"city": text()}, "New York"),
        ("forty two", {"number": {"type": "integer"}}, 42),
        ("I think it is 7", {"number": {"type": "integer"}}, 7),
        ("no idea", {"number": {"type": "integer"}}, None),
        ("yes please", {"loud": {"type": "boolean"}}, True),
        ("no", {"loud": {"type": "boolean"}}, False),
        ("the small one", {"size": {"enum": ["small", "large"]}}, "small"),
        ("3.5", {"weight": {"anyOf": [{"type": "number"}, {"type": "null"}]}}, 3.5),
        ("milk", {"items": {"type": "array", "items": {"type": "string"}}}, ["milk"]),
        ("into Japanese", {"language": text()}, "japanese"),
        ("  ", {"city": text()}, None),
    ],
)
def test_an_answer_is_read_by_the_type_of_its_argument(
    answer: str, parameter: dict[str, Any], value: Any
) -> None:
    (wanted,) = parameters_of({"properties": parameter, "required": list(parameter)})
    assert fill_answer(answer, wanted) == value


def test_a_definition_that_a_schema_refers_to_is_resolved() -> None:
    tool = ToolSchema(
        "order_pizza",
        "Orders a pizza.",
        {
            "type": "object",
            "properties": {"size": {"$ref": "#/$defs/Size"}},
            "required": ["size"],
            "$defs": {"Size": {"enum": ["small", "large"]}},
        },
    )
    assert calls("please order a large pizza", (tool,)) == [("order_pizza", {"size": "large"})]


def test_words_that_may_be_misrecognized_need_more_evidence() -> None:
    assert plan("what is an antique", TOOLS)
    assert not plan("what is an antique", TOOLS, certain=False)
    assert plan("will it rain in london", TOOLS, certain=False)


def test_nothing_is_planned_without_tools_or_words() -> None:
    assert plan("what time is it", ()) == ()
    assert plan("", TOOLS) == plan("?!", TOOLS) == plan("\n", TOOLS) == ()


WORDS = "what is the weather in rain time and please 42 minutes 天气 北 ' - light on order \ud800"


@given(st.lists(st.sampled_from(WORDS.split()) | st.text(max_size=6), max_size=25).map(" ".join))
@settings(max_examples=100, deadline=None)
def test_any_text_is_planned_without_an_error_and_deterministically(utterance: str) -> None:
    requests = plan(utterance, TOOLS)
    assert requests == plan(utterance, TOOLS)
    for request in requests:
        properties = request.tool.parameters["properties"]
        assert set(request.arguments) <= set(properties)
        missing = {parameter.name for parameter in request.missing}
        required = set(request.tool.parameters["required"])
        assert missing == required - set(request.arguments)


def test_a_long_text_argument_stays_whole() -> None:
    message = "i will be there and bring some bread and wine and cheese " * 8
    said = f"send a message to maria saying {message}"
    assert calls(said) == [("send_message", {"recipient": "maria", "message": message.strip()})]


def test_each_of_many_sentences_is_a_request() -> None:
    assert len(plan("What's the weather in Oslo? Roll a dice. " * 10, TOOLS)) == 20
