"""Special tokens never leave the server, under any split of a stream; turns are cached."""

from __future__ import annotations

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


def test_turns_are_cached_by_id_until_they_are_too_old_or_too_many() -> None:
    now = [1_000.0]
    recall = TurnCache(limit=2, ttl_s=60.0, now=lambda: now[0])
    turn = (AssistantMessage("Hello."),)
    assert recall.keep("a", turn) == 1_060
    assert recall.find("a") == turn
    assert recall.find("b") == ()
    now[0] += 61
    assert recall.find("a") == ()
    for key in "bcd":
        recall.keep(key, turn)
    assert [bool(recall.find(key)) for key in "bcd"] == [False, True, True]
