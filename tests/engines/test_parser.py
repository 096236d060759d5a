"""Tool calls are parsed from any text, under any split."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engines.parser import CLOSE, OPEN, Parsed, ToolCallParser, format_call
from assistant.events import TextDelta
from assistant.messages import ToolCall

GOOD = f'{OPEN}function\nweather\n{{"location": "Paris"}}{CLOSE}'


def new_parser(**options: int) -> ToolCallParser:
    numbers = itertools.count(1)
    return ToolCallParser(lambda: f"call_{next(numbers)}", **options)


def parse(*pieces: str, **options: int) -> list[Parsed]:
    """All items, neighboring texts joined, so that results of different cuts compare equal."""
    parser = new_parser(**options)
    items = [item for piece in pieces for item in parser.feed(piece)] + parser.finish()
    joined: list[Parsed] = []
    for item in items:
        if isinstance(item, TextDelta) and joined and isinstance(joined[-1], TextDelta):
            joined[-1] = TextDelta(joined[-1].text + item.text)
        else:
            joined.append(item)
    return joined


def only_call(text: str) -> ToolCall:
    (call,) = parse(text)
    assert isinstance(call, ToolCall)
    return call


def test_text_before_between_and_after_calls_stays_in_order() -> None:
    items = parse(f"Let me see. {GOOD}\n{GOOD}Done.")
    arguments = '{"location": "Paris"}'
    assert items == [
        TextDelta("Let me see. "),
        ToolCall("call_1", "weather", arguments),
        TextDelta("\n"),
        ToolCall("call_2", "weather", arguments),
        TextDelta("Done."),
    ]


@pytest.mark.parametrize(
    "body",
    [
        'function\nweather\n{"day": 1}',
        '\nfunction\nweather\n{"day": 1}\n',
        'weather\n{"day": 1}',
        '\n\n  weather {"day": 1}',
        'weather{"day": 1}',
        'function \r\n weather\r\n{\n  "day":\n  1\n}\r\n',
        '{"name": "weather", "arguments": {"day": 1}}',
    ],
)
def test_every_known_notation_of_a_call_is_parsed(body: str) -> None:
    call = only_call(f"{OPEN}{body}{CLOSE}")
    assert (call.name, json.loads(call.arguments), call.problem) == ("weather", {"day": 1}, "")


@pytest.mark.parametrize("body", ["function\nnow", "now", "\nfunction\nnow\n", " now \n\n"])
def test_a_call_without_an_argument_line_has_empty_arguments(body: str) -> None:
    assert only_call(f"{OPEN}{body}{CLOSE}") == ToolCall("call_1", "now", "{}")


def test_a_tool_can_have_the_name_function() -> None:
    assert only_call(f"{OPEN}function\nfunction\n{{}}{CLOSE}").name == "function"


def test_a_call_not_closed_at_the_end_of_the_stream_is_accepted() -> None:
    assert only_call(GOOD.removesuffix(CLOSE)) == only_call(GOOD)


def test_a_call_not_closed_before_the_next_one_is_accepted() -> None:
    calls = parse(GOOD.removesuffix(CLOSE) + GOOD)
    assert [call.problem for call in calls if isinstance(call, ToolCall)] == ["", ""]


def test_an_opening_tag_inside_a_string_is_part_of_the_string() -> None:
    call = only_call(f'{OPEN}search\n{{"query": "what is {OPEN}?"}}{CLOSE}')
    assert json.loads(call.arguments) == {"query": f"what is {OPEN}?"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('function\nweather\n{"day": }', "not valid JSON"),
        ('function\nweather\n{"day": 1', "not valid JSON"),
        ('function\nweather\n{"day": NaN}', "not valid JSON"),
        ('function\nweather\n{} and {"day": 1}', "not valid JSON"),
        ("function\nweather\n" + "[" * 60_000, "not valid JSON"),
        ('function\nweather\n{"day": ' + "9" * 5_000 + "}", "not valid JSON"),
        ("function\nweather\n[1]", "one JSON object"),
        ("function\nweather\nnull", "one JSON object"),
        ("function\nweather\n7", "one JSON object"),
        ('function\n{"day": 1}', "names no tool"),
        ('{"day": 1}', "names no tool"),
        ("function", "names no tool"),
        ("", "names no tool"),
        (" \n ", "names no tool"),
        ('("weather")', "names no tool"),
        ('{"name": "the weather", "arguments": {}}', "names no tool"),
        ('{"name": "a<b", "arguments": {}}', "names no tool"),
        ('{"name": "\\ud83d", "arguments": {}}', "names no tool"),
    ],
)
def test_a_malformed_call_says_how_to_correct_it(body: str, problem: str) -> None:
    call = only_call(f"{OPEN}{body}{CLOSE}")
    assert problem in call.problem
    assert "\n" not in call.problem


def test_half_of_a_surrogate_pair_stays_an_escape() -> None:
    call = only_call(f'{OPEN}{{"name": "weather", "arguments": {{"a": "\\ud83d"}}}}{CLOSE}')
    assert (call.name, call.arguments, call.problem) == ("weather", '{"a": "\\ud83d"}', "")


def test_a_malformed_call_keeps_its_text() -> None:
    assert only_call(f"{OPEN}function\n[1, 2{CLOSE}").arguments == "[1, 2"


def test_a_lone_bracket_is_output_as_soon_as_it_cannot_start_a_tag() -> None:
    parser = new_parser()
    assert parser.feed("1 <") == [TextDelta("1 ")]
    assert parser.feed("2") == [TextDelta("<2")]
    assert parser.feed("a<tool_<tool") == [TextDelta("a<tool_")]
    assert parser.finish() == [TextDelta("<tool")]


def test_text_is_yielded_at_once() -> None:
    assert new_parser().feed("Let me") == [TextDelta("Let me")]


def test_an_endless_call_is_abandoned_in_bounded_memory() -> None:
    parser = new_parser(max_call_chars=100)
    items = parser.feed(OPEN + "function\nweather\n")
    for _ in range(1000):
        items += parser.feed("x" * 50)
        assert len(parser._held) <= 200
    items += parser.feed(f"{CLOSE}Well.") + parser.finish()
    call, text = items
    assert isinstance(call, ToolCall)
    assert (call.name, text) == ("weather", TextDelta("Well."))
    assert "longer than 100 characters" in call.problem


def test_the_calls_of_two_parsers_have_different_ids() -> None:
    ids = {
        item.id for _ in range(50) for item in ToolCallParser().feed(GOOD + GOOD)
        if isinstance(item, ToolCall)
    }  # fmt: skip
    assert len(ids) == 100


FRAGMENTS = st.sampled_from(
    [OPEN, CLOSE, "<", "</", "<tool", "_call>", "function", "\n", "weather", "{}", '{"a": "', '"}',
     "[", "null", " ", "好", "\ud800", "<audio_5>", "<|EOT|>"]
)  # fmt: skip
STREAMS = st.lists(FRAGMENTS | st.text(max_size=5), max_size=30).map("".join)


@given(text=STREAMS, cuts=st.lists(st.integers(0, 400), max_size=20), limit=st.integers(1, 60))
@settings(max_examples=300, deadline=None)
def test_every_split_of_a_stream_is_parsed_the_same(text: str, cuts: list[int], limit: int) -> None:
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in itertools.pairwise(borders)]
    whole = parse(text, max_call_chars=limit)
    assert parse(*pieces, max_call_chars=limit) == whole
    assert parse(*text, max_call_chars=limit) == whole


@given(text=STREAMS)
@settings(max_examples=300, deadline=None)
def test_no_text_outside_a_call_is_lost_and_every_call_is_reported(text: str) -> None:
    items = parse(text)
    spoken = "".join(item.text for item in items if isinstance(item, TextDelta))
    call = re.compile(f"{OPEN}.*?(?:{CLOSE}|$(?!\n))", re.DOTALL)
    assert spoken == call.sub("", text)
    calls = [item for item in items if isinstance(item, ToolCall)]
    assert len(calls) >= len(call.findall(text))
    assert all(item.name or item.problem for item in calls)


JSON_OBJECTS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | FRAGMENTS | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


@given(name=st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True), arguments=JSON_OBJECTS,
       ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_a_formatted_call_is_parsed_back_unchanged(
    name: str, arguments: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(arguments, ensure_ascii=ascii_only, indent=indent)
    call = only_call(format_call(ToolCall("any", name, text)))
    assert (call.name, json.loads(call.arguments), call.problem) == (name, arguments, "")
