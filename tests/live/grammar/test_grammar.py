"""Whether a turn may end here: what people say until they pause."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.live.grammar import is_complete, words
from tests.live.grammar.fresh_sentences import CHINESE as FRESH_CHINESE
from tests.live.grammar.fresh_sentences import ENGLISH as FRESH_ENGLISH
from tests.live.grammar.sentences import CHINESE, ENGLISH

WORDS = sorted(
    set().union(*(value for value in vars(words).values() if isinstance(value, frozenset)))
)


@pytest.mark.parametrize(("text", "whole"), ENGLISH)
def test_an_english_utterance_is_judged_complete_or_incomplete(text: str, whole: bool) -> None:
    assert is_complete(text) is whole
    assert is_complete(text, "en-GB") is whole


@pytest.mark.parametrize(("text", "whole"), CHINESE)
def test_a_chinese_utterance_is_judged_complete_or_incomplete(text: str, whole: bool) -> None:
    assert is_complete(text) is whole
    assert is_complete(text, "zh-CN") is whole


@pytest.mark.parametrize("fresh", [FRESH_ENGLISH, FRESH_CHINESE], ids=["en", "zh"])
def test_most_sentences_that_the_rules_were_not_written_for_are_judged_right(
    fresh: list[tuple[str, bool]],
) -> None:
    right = sum(is_complete(text) is whole for text, whole in fresh)
    assert right / len(fresh) >= 0.95


def test_the_requests_that_the_embedded_engine_knows_are_complete() -> None:
    path = Path(__file__).parents[2] / "engines" / "embedded" / "utterances.py"
    spec = importlib.util.spec_from_file_location("planner_utterances", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hanging = [text for text, _ in module.UTTERANCES if is_complete(text) is False]
    assert hanging == []


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("Wie spät ist es in Berlin?", True),
        ("Ich hätte gern ein Bier.", True),
        ("Ich hätte gern,", False),
        ("Und dann …", False),
        ("ich hätte gern ein", None),
        ("東京の天気は？", True),
        ("東京の天気は、", False),
        ("東京の天気は", None),
        ("오늘 날씨", None),
        ("сколько времени", None),
    ],
)
def test_other_languages_are_judged_by_punctuation(text: str, whole: bool | None) -> None:
    assert is_complete(text) is whole


def test_english_words_count_only_in_english() -> None:
    assert is_complete("we are in", "en") is False
    assert is_complete("die was in", "de") is None


@pytest.mark.parametrize("text", ["", " ", "...?!"[:0], "\n\t"])
def test_text_without_words_has_no_verdict(text: str) -> None:
    assert is_complete(text) is None
    assert is_complete(text, "en") is None
    assert is_complete(text, "zh") is None


@given(st.lists(st.sampled_from(WORDS), max_size=10))
def test_any_words_in_any_order_have_a_verdict(said: list[str]) -> None:
    assert is_complete(" ".join(said), "en") in ((True, False) if said else (None,))


@given(st.text(), st.sampled_from(["", "en", "zh", "fr"]))
def test_any_text_has_one_of_three_verdicts(text: str, language: str) -> None:
    assert is_complete(text, language) in (True, False, None)


def test_judging_a_long_text_takes_no_longer_than_judging_a_short_one() -> None:
    long = "and then i said to him " * 100_000 + "what time is it"
    start = time.perf_counter()
    assert is_complete(long) is True
    assert time.perf_counter() - start < 0.05
