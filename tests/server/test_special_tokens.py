"""Special tokens never leave the server, under any split of a stream; turns are cached."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from assistant.messages import AssistantMessage
from assistant.server.chat.turn_cache import TurnCache
from assistant.server.special_tokens import SpecialTokenFilter, without_special_tokens

SPECIAL = st.sampled_from(
    [
        "<tts_start>",
        "<tts_end>",
        "<tts_<audio_1>start>",
        "<audio_0>",
        "<audio_6560>",
        "<|EOT|>",
        "<|im_end|>",
    ]
)
SPECIAL_TOKEN = re.compile(
    r"<(?:audio_\d+|tts_(?:start|end|pad)|audio_(?:start|end|patch)|\|\w+\|)>"
)
WORDS = st.text("ab <>|_1", max_size=6) | st.sampled_from(["a < b", "<b>", "x<1>", "<audio_"])


@given(pieces=st.lists(SPECIAL | WORDS, max_size=8), cuts=st.lists(st.integers(0, 60)))
@bounded(max_examples=300, deadline=None)
def test_a_stream_is_cleaned_like_the_whole_text(pieces: list[str], cuts: list[int]) -> None:
    text = "".join(pieces)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    clean = SpecialTokenFilter()
    out = [clean.feed(text[a:b]) for a, b in pairwise(places)]
    assert "".join(out) + clean.finish() == without_special_tokens(text)


def test_text_that_only_looks_like_a_token_stays() -> None:
    text = "if a <b> and c < d: <audio_x> <html> <audio_"
    clean = SpecialTokenFilter()
    assert "".join(map(clean.feed, text)) + clean.finish() == text


@given(pieces=st.lists(SPECIAL | WORDS, max_size=12))
@bounded(max_examples=500, deadline=None)
def test_nested_tokens_are_removed_as_if_pass_by_pass(pieces: list[str]) -> None:
    text = "".join(pieces)
    expected, found = text, 1
    while found:
        expected, found = SPECIAL_TOKEN.subn("", expected)
    assert without_special_tokens(text) == expected


def test_tokens_nested_ten_thousand_deep_are_removed_in_one_pass() -> None:
    depth = 10_000
    assert without_special_tokens("a" + "<audio_" * depth + "1>" * depth + "b") == "ab"


def test_turns_are_found_by_owner_and_id_until_they_are_too_old_or_too_many() -> None:
    now = [1_000.0]
    cache = TurnCache(limit=2, ttl_s=60.0, now=lambda: now[0])
    turn = (AssistantMessage("Hello."),)
    cache.store("owner", "a", turn)
    assert cache.find("owner", "a") == turn
    assert cache.find("other", "a") == cache.find("owner", "b") == ()
    now[0] += 61
    assert cache.find("owner", "a") == ()
    for key in "bcd":
        cache.store("owner", key, turn)
    assert [bool(cache.find("owner", key)) for key in "bcd"] == [False, True, True]


def test_the_turns_of_one_key_do_not_displace_those_of_another() -> None:
    cache = TurnCache(limit=100, max_bytes=10_000)
    cache.store("quiet", "a", (AssistantMessage("Hello."),))
    for index in range(100):
        cache.store("greedy", str(index), (AssistantMessage("x" * 4_000),))
    assert cache.find("quiet", "a")
    assert cache.find("greedy", "99")
    assert not cache.find("greedy", "0")
