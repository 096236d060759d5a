"""Text of any length is worked on in linear time, and bounded by words before it is planned.

Effort is counted in steps, not in seconds. If a regular expression does the work, a quadratic one
would take longer for these texts than the time limit of a test.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from assistant.engines.embedded import espeak
from assistant.engines.embedded.effort import MAX_STEPS, Effort
from assistant.engines.embedded.languages import detect
from assistant.engines.embedded.phrases import small_talk
from assistant.engines.embedded.planner import plan
from assistant.engines.embedded.sentences import sentences
from assistant.engines.embedded.text_normalizer import speakable
from assistant.engines.embedded.words import MAX_WORDS, similar, tokens
from assistant.errors import did_you_mean
from assistant.live.grammar import is_complete
from assistant.server.generate.text_streams import TextStream
from assistant.server.special_tokens import SpecialTokenFilter, without_special_tokens
from tests.engines.embedded.toolbox import TOOLS

HOSTILE = [
    ".",
    "a. ",
    ". ",
    ".]",
    "؟",
    " ",
    "\n",
    "\n-",
    "|",
    "<",
    "<audio_",
    "<|a|",
    "[a](",
    "'",
    "a-",
    "的",
    "七",
    "what time, ",
    "in the ",
    "1,000",
]
LENGTH = 300_000
WORK: list[Callable[[str], object]] = [
    without_special_tokens,
    lambda text: SpecialTokenFilter().feed(text),
    lambda text: list(sentences(text)),
    lambda text: speakable(text[:240]),
    tokens,
    small_talk,
    detect,
    is_complete,
    lambda text: did_you_mean(text, ["awb", "slt", "rms"]),
    lambda text: similar(text, text[:-1]),
    lambda text: espeak.load().voice_of(text),
]
NAMES = [
    "without_special_tokens",
    "special_token_filter",
    "sentences",
    "speakable",
    "tokens",
    "small_talk",
    "detect",
    "is_complete",
    "did_you_mean",
    "similar",
    "voice_of",
]


@pytest.mark.parametrize("work", WORK, ids=NAMES)
@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.timeout(20)
def test_a_long_text_of_repeated_marks_takes_linear_time(
    work: Callable[[str], object], unit: str
) -> None:
    work(unit * (LENGTH // len(unit)) + "x")


@pytest.mark.timeout(20)
def test_a_text_of_full_stops_that_comes_in_pieces_takes_linear_time() -> None:
    stream = TextStream()
    for _ in range(5):
        stream.add("." * 16_000 + "x")


def test_a_text_is_cut_into_the_same_sentences_however_long_it_is() -> None:
    text = 'Dr. Smith has 3.5 apples... He said: "Come in!" 1. First, 2. second; e.g. this one?\n'
    assert "".join(sentences(text * 50)) == text * 50
    assert list(sentences(text * 3)) == list(sentences(text)) * 3


def test_only_the_first_words_of_a_text_are_looked_at() -> None:
    assert len(tokens("word " * 10_000)) == MAX_WORDS


REPEATED = st.sampled_from(["what time ", "what time, ", "and weather in ", "please ", "roll a "])


@given(units=st.lists(REPEATED, min_size=1, max_size=4), count=st.integers(1, 400))
@bounded(max_examples=15, deadline=None)
def test_planning_takes_at_most_the_steps_it_is_given(units: list[str], count: int) -> None:
    effort = Effort()
    plan("".join(units) * count, TOOLS, effort)
    longest = MAX_WORDS * max(len(tool.examples) * 40 + 200 for tool in TOOLS)
    assert effort.steps <= MAX_STEPS + longest


@given(units=st.lists(REPEATED, min_size=1, max_size=4))
@bounded(max_examples=10, deadline=None)
def test_the_steps_of_planning_stop_growing_with_the_length_of_the_text(units: list[str]) -> None:
    text = "".join(units)
    steps = []
    for count in (400, 800, 1_600):
        effort = Effort()
        plan(text * count, TOOLS, effort)
        steps.append(effort.steps)
    assert steps[0] == steps[1] == steps[2]


def test_planning_stops_when_nobody_waits_for_it() -> None:
    effort = Effort(stopped=lambda: True)
    plan("what time " * 150, TOOLS, effort)
    assert effort.steps < MAX_STEPS


def test_a_long_natural_utterance_is_planned_within_the_steps() -> None:
    effort = Effort()
    utterance = (
        "please tell me what the weather is going to be like in berlin tomorrow and what time it is"
        " in tokyo and then search the web for cheap flights to lisbon please thank you very much"
    )
    assert plan(utterance, TOOLS, effort)
    assert effort.steps < MAX_STEPS
