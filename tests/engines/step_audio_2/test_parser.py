"""Ids become text, calls and speech, under any split, mix or defect."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engines.parser import CLOSE, OPEN
from assistant.engines.step_audio_2.parser import OutputParser, SpeechToken
from assistant.engines.step_audio_2.tokens import Mark
from assistant.events import TextDelta
from assistant.messages import ToolCall
from tests.engines.step_audio_2.tiny_engine import Watcher  # noqa: F401 - sets the number of threads

GOOD = f'{OPEN}function\nweather\n{{"city": "Łódź"}}{CLOSE}'
FRAGMENTS = (
    OPEN, CLOSE, "<think>", "</think>", "function\n", "weather\n", "{}", '{"a": 1}', "hello ",
    "你好", "🙂", "<", "\n", "<|EOT|>", "<audio_5>", GOOD,
)  # fmt: skip


def parse(tokenizer: Any, ids: Iterable[int], **options: Any) -> tuple[str, list[Any], list[int]]:
    """Text, calls (name, arguments, problem) and speech of a whole output."""
    parser = OutputParser(tokenizer, **options)
    pieces = [piece for token in ids for piece in parser.feed(token)] + parser.finish()
    text = "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))
    calls = [(p.name, p.arguments, p.problem) for p in pieces if isinstance(p, ToolCall)]
    return text, calls, [piece.number for piece in pieces if isinstance(piece, SpeechToken)]


def mixed(tokenizer: Any, words: Sequence[int], speech: Sequence[int], order: list[bool]) -> Any:
    """Words and speech in any order, each in its own."""
    left_words, left_speech, made = list(words), list(speech), []
    for is_word in order:
        source = left_words if is_word else left_speech
        if source:
            token = source.pop(0)
            made.append(token if is_word else tokenizer.special.speech + token)
    return [*made, *left_words, *(tokenizer.special.speech + token for token in left_speech)]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_order_of_text_and_speech_changes_nothing(tokenizer: Any, data: Any) -> None:
    text = "".join(data.draw(st.lists(st.sampled_from(FRAGMENTS), max_size=6)))
    words = tokenizer.encode(text)
    speech = data.draw(st.lists(st.integers(0, 6560), max_size=12))
    order = data.draw(st.lists(st.booleans(), max_size=len(words) + len(speech)))
    expected = parse(tokenizer, words)
    actual = parse(tokenizer, mixed(tokenizer, words, speech, order))
    assert actual[:2] == expected[:2]
    assert actual[2] == speech


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_split_of_the_text_into_tokens_is_parsed_the_same(tokenizer: Any, data: Any) -> None:
    fragments = data.draw(st.lists(st.sampled_from(FRAGMENTS), max_size=6))
    text = "".join(fragments)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    bounds = [0, *cuts, len(text)]
    cut = [i for a, b in itertools.pairwise(bounds) for i in tokenizer.encode(text[a:b])]
    as_marks = tokenizer.encode(*(Mark(fragment) for fragment in fragments))
    whole = parse(tokenizer, tokenizer.encode(text))
    assert parse(tokenizer, cut) == whole
    if not {"<|EOT|>", "<audio_5>"} & set(fragments):
        assert parse(tokenizer, as_marks) == whole


@settings(max_examples=80, deadline=None)
@given(ids=st.lists(st.integers(0, 7100), max_size=40))
def test_any_ids_are_accepted_and_every_speech_token_comes_out(
    tokenizer: Any, ids: list[int]
) -> None:
    _, _, speech = parse(tokenizer, ids)
    first = tokenizer.special.speech
    assert speech == [token - first for token in ids if first <= token < first + 6561]


def test_a_character_split_by_speech_tokens_is_output_whole(tokenizer: Any) -> None:
    bytes_of = {tokenizer.token_bytes(token): token for token in range(400)}
    parts = [bytes_of[bytes([byte])] for byte in "🙂".encode()]
    pad = tokenizer.special.speech
    made = [token for part in parts for token in (part, pad + 1, pad + 2, pad + 3, pad + 4)]
    parser = OutputParser(tokenizer)
    texts = [p.text for token in made for p in parser.feed(token) if isinstance(p, TextDelta)]
    assert texts == ["🙂"]


def test_invalid_bytes_are_replaced_and_end_nothing(tokenizer: Any) -> None:
    bytes_of = {tokenizer.token_bytes(token): token for token in range(400)}
    text, _, _ = parse(tokenizer, [bytes_of[b"\xff"], *tokenizer.encode("ok"), bytes_of[b"\xe4"]])
    assert text == "\ufffdok\ufffd"


def test_several_calls_after_speech_come_in_order(tokenizer: Any) -> None:
    special = tokenizer.special
    calls = "".join(f'{OPEN}function\nt{i}\n{{"n": {i}}}{CLOSE}' for i in range(3))
    ids = [*tokenizer.encode("One moment"), special.speech, special.tts_end]
    text, parsed, speech = parse(tokenizer, [*ids, *tokenizer.encode(calls), special.eot])
    assert text == "One moment"
    assert [(name, json.loads(arguments)) for name, arguments, _ in parsed] == [
        (f"t{i}", {"n": i}) for i in range(3)
    ]
    assert speech == [0]


def test_a_malformed_call_is_an_outcome_that_the_model_can_read(tokenizer: Any) -> None:
    _, calls, _ = parse(tokenizer, tokenizer.encode(f"{OPEN}function\nweather\n{{city"))
    ((name, _, problem),) = calls
    assert name == "weather"
    assert "not valid JSON" in problem


@pytest.mark.parametrize("as_tokens", [True, False])
def test_thoughts_are_left_out(tokenizer: Any, as_tokens: bool) -> None:
    parts = ("Yes", "<think>", "secret" + GOOD, "</think>", ", no", "<think>", "unclosed")
    ids = tokenizer.encode(*(Mark(p) for p in parts)) if as_tokens else tokenizer.encode(*parts)
    assert parse(tokenizer, ids) == ("Yes, no", [], [])


def test_special_tokens_fillers_and_ids_without_a_token_output_nothing(tokenizer: Any) -> None:
    special = tokenizer.special
    ids = [special.tts_start, special.tts_pad, special.speech + 6561, special.tts_end, 7039]
    assert parse(tokenizer, [*ids, special.bot, special.audio_patch, special.eot]) == ("", [], [])


def test_nothing_is_output_after_a_stop_string(tokenizer: Any) -> None:
    ids = [*tokenizer.encode("one STOP two"), tokenizer.special.speech, *tokenizer.encode(GOOD)]
    assert parse(tokenizer, ids, stop=["STOP", "other"]) == ("one ", [], [])
