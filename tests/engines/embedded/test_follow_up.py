"""A follow-up continues the request before it."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.engines.base import Engine
from assistant.messages import ToolSchema
from tests.engines.embedded.conversations import Conversation, called

pytestmark = pytest.mark.anyio

PLACE = {"type": "string", "description": "City or place"}
DAY = {"type": "string", "description": "today, tomorrow, a weekday or a date", "default": "now"}
WEATHER = ToolSchema(
    "weather",
    "Tells the weather in a place.",
    {"type": "object", "properties": {"location": PLACE, "day": DAY}, "required": ["location"]},
    ("what's the weather in berlin", "will it rain in paris tomorrow", "北京今天天气怎么样"),
)
LAMP = ToolSchema(
    "lamp",
    "Switches the lamp.",
    {
        "type": "object",
        "properties": {"state": {"enum": ["on", "off"]}},
        "required": ["state"],
    },
    ("switch the lamp on", "turn the lamp off"),
)


@pytest.mark.parametrize(
    ("first", "then", "arguments"),
    [
        ("what's the weather in Paris", "and in Oslo?", {"location": "Oslo"}),
        ("what's the weather in Paris", "And Rome?", {"location": "Rome"}),
        ("will it rain in Paris", "what about tomorrow", {"location": "Paris", "day": "tomorrow"}),
        ("will it rain in Paris", "how about new york", {"location": "new york"}),
        ("北京今天天气怎么样", "那上海呢", {"location": "上海", "day": "今天"}),
    ],
)
async def test_a_follow_up_changes_one_argument_and_keeps_the_others(
    engine: Engine, first: str, then: str, arguments: dict[str, Any]
) -> None:
    conversation = Conversation(engine, (WEATHER, LAMP))
    await conversation.ask(first)
    await conversation.results("Sunny.")
    assert called(await conversation.ask(then)) == [("weather", arguments)]


@pytest.mark.parametrize(
    ("then", "calls"),
    [
        ("and switch the lamp on", [("lamp", {"state": "on"})]),
        ("and tell me a joke", []),
        ("thanks", []),
    ],
)
async def test_a_request_for_something_else_is_not_a_follow_up(
    engine: Engine, then: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    conversation = Conversation(engine, (WEATHER, LAMP))
    await conversation.ask("what's the weather in Paris")
    await conversation.results("Sunny.")
    assert called(await conversation.ask(then)) == calls


async def test_without_an_earlier_request_there_is_no_follow_up(engine: Engine) -> None:
    assert called(await Conversation(engine, (WEATHER, LAMP)).ask("and in Oslo?")) == []
