"""A message is truncated to what was played, by its text and speech tokens."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch")

from assistant.config import Sampling
from assistant.messages import AssistantMessage, ToolCall, ToolMessage, ToolSchema
from tests.engines.step_audio_2.tiny_engine import Chat, ToneVocoder, Watcher, call_text, recomputed

pytestmark = pytest.mark.anyio


def interleaved(tokenizer: Any, text: str, speech: int) -> tuple[int, ...]:
    """One text token, four of speech, and padding where the text has run out (ta4)."""
    special = tokenizer.special
    words, tokens = tokenizer.encode(text), [special.tts_start]
    for number in range(speech):
        if number % 4 == 0:
            tokens.append(words.pop(0) if words else special.tts_pad)
        tokens.append(special.speech + number)
    return (*tokens, *words, special.tts_end)


def speech_tokens(message: AssistantMessage, tokenizer: Any) -> int:
    return sum(tokenizer.special.speech_token(token) is not None for token in message.tokens)


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [(0.0, 0), (0.02, 0), (0.04, 1), (1.0, 25), (1.16, 29), (3.96, 99), (4.0, 100)],
)
async def test_25_speech_tokens_are_a_second(
    make_engine: Any, tokenizer: Any, seconds: float, kept: int
) -> None:
    text = "one two three"
    message = AssistantMessage(text, tokens=interleaved(tokenizer, text, 100))
    played = make_engine().truncate(message, seconds)
    assert speech_tokens(played, tokenizer) == kept
    assert text.startswith(played.text)
    if kept:
        assert played.tokens[:kept] == message.tokens[:kept]
        assert played.tokens[-1] == tokenizer.special.tts_end


async def test_a_message_played_to_its_end_is_unchanged(make_engine: Any, tokenizer: Any) -> None:
    message = AssistantMessage("one two", tokens=interleaved(tokenizer, "one two", 50))
    assert make_engine().truncate(message, 60.0) is message


async def test_words_are_spread_over_the_audio_after_the_text_has_ended(
    make_engine: Any, tokenizer: Any
) -> None:
    text = " ".join(["word"] * 10)
    message = AssistantMessage(text, tokens=interleaved(tokenizer, text, 1000))
    for share in (0.2, 0.5, 0.8):
        played = make_engine().truncate(message, 40 * share)
        assert len(played.text) == pytest.approx(len(text) * share, abs=6)
        assert set(played.text.split()) <= {"word"}


async def test_characters_of_several_tokens_stay_whole(make_engine: Any, tokenizer: Any) -> None:
    text = "今天天气很好，你呢？"
    message = AssistantMessage(text, tokens=interleaved(tokenizer, text, 400))
    engine = make_engine()
    for tenth in range(160):
        played = engine.truncate(message, tenth / 10)
        assert text.startswith(played.text), played.text


async def test_a_latin_word_inside_chinese_is_kept_whole_or_dropped(
    make_engine: Any, tokenizer: Any
) -> None:
    text = "我喜欢Python和你"
    message = AssistantMessage(text, tokens=interleaved(tokenizer, text, 400))
    engine = make_engine()
    played = {engine.truncate(message, tenth / 10).text for tenth in range(161)}
    beginnings = {text[:end] for end in range(len(text) + 1)}
    assert played <= beginnings - {text[:end] for end in range(4, 9)}
    assert {"我喜欢", "我喜欢Python", text} <= played


async def test_text_written_before_its_speech_is_truncated_by_the_speech(
    make_engine: Any, tokenizer: Any
) -> None:
    """Truncation assumes no order of text and speech, and no padding."""
    special, text = tokenizer.special, " ".join(["word"] * 10)
    speech = [special.speech + number for number in range(1000)]
    tokens = (special.tts_start, *tokenizer.encode(text), *speech, special.tts_end)
    played = make_engine().truncate(AssistantMessage(text, tokens=tokens), 20.0)
    assert len(played.text) == pytest.approx(len(text) / 2, abs=6)
    assert speech_tokens(played, tokenizer) == 500


@pytest.mark.parametrize("seconds", [-1.0, -0.04, float("-inf"), float("nan")])
async def test_nothing_remains_if_nothing_was_played(
    make_engine: Any, tokenizer: Any, seconds: float
) -> None:
    message = AssistantMessage("one two", tokens=interleaved(tokenizer, "one two", 50))
    played = make_engine().truncate(message, seconds)
    assert (played.text, played.tokens) == ("", ())


async def test_a_truncated_lead_in_is_followed_by_its_calls_unchanged(
    make_engine: Any, tokenizer: Any
) -> None:
    lead_in = interleaved(tokenizer, "let me see what there is", 100)
    written = call_text(tokenizer, "look", json.dumps({"where": "everywhere " * 20}))
    call = ToolCall("1", "look", "{}")
    message = AssistantMessage("let me see what there is", (call,), (*lead_in, *written))
    played = make_engine().truncate(message, 2.0)
    assert played.calls == (call,)
    spoken_tokens = len(played.tokens) - len(written) - 1
    assert played.tokens[:spoken_tokens] == lead_in[:spoken_tokens]
    assert played.tokens[spoken_tokens:] == (tokenizer.special.tts_end, *written)
    assert speech_tokens(played, tokenizer) == 50
    # What is written after the end of speech is not part of what is spoken.
    assert played.text == make_engine().truncate(replace(message, tokens=lead_in), 2.0).text
    assert len(played.text) == pytest.approx(len(message.text) / 2, abs=6)


async def test_the_calls_of_an_unplayed_lead_in_stay(make_engine: Any, tokenizer: Any) -> None:
    call = ToolCall("1", "look", "{}")
    tokens = (*interleaved(tokenizer, "let me see", 60), *call_text(tokenizer, "look", "{}"))
    played = make_engine().truncate(AssistantMessage("let me see", (call,), tokens), 0.0)
    assert played == AssistantMessage("", (call,))


async def test_calls_that_are_not_in_the_tokens_are_encoded_again(
    make_engine: Any, tokenizer: Any
) -> None:
    call = ToolCall("1", "look", "{}")
    message = AssistantMessage("let me see", (call,), interleaved(tokenizer, "let me see", 60))
    played = make_engine().truncate(message, 1.0)
    assert (played.calls, played.tokens) == ((call,), ())


async def test_tokens_without_speech_give_no_truncation(make_engine: Any, tokenizer: Any) -> None:
    engine = make_engine()
    assert engine.truncate(AssistantMessage("hello"), 1.0) is None
    written = AssistantMessage("hello", tokens=tuple(tokenizer.encode("hello")))
    assert engine.truncate(written, 1.0) is None


async def test_the_cache_is_reused_up_to_the_truncation(make_engine: Any, tokenizer: Any) -> None:
    """The next turn prefills only what follows, and equals the turn without a cache."""
    tokens = interleaved(tokenizer, "one two three four five six", 100)[1:]
    watcher = Watcher(tokens, end=tokenizer.special.eot)
    engine = make_engine(steer=watcher, vocoder=ToneVocoder())
    chat = Chat(engine)
    await chat.say("Count", sampling=Sampling(max_tokens=400))
    message = chat.history[-1]
    cut = engine.truncate(message, 2.0)
    assert len(cut.tokens) < len(message.tokens) - 50
    chat.history[-1] = cut
    await chat.say("Stop")
    first, second = watcher.jobs
    # The prompt ends with the opening that the message's tokens begin with.
    assert second.reused == len(first.prompt) - 1 + len(cut.tokens) - 1
    assert tokenizer.decode(second.prompt.ids[second.reused :]) == (
        "<tts_end><|EOT|><|BOT|>human\nStop<|EOT|><|BOT|>assistant\n<tts_start>"
    )
    assert recomputed(engine._scheduler._model, second) == second.generated


async def test_the_cache_is_reused_up_to_the_truncation_of_a_lead_in(
    make_engine: Any, tokenizer: Any
) -> None:
    lead_in = interleaved(tokenizer, "let me see what there is", 100)[1:]
    written = call_text(tokenizer, "look", "{}")
    watcher = Watcher([*lead_in, *written], end=tokenizer.special.eot)
    engine = make_engine(steer=watcher, vocoder=ToneVocoder())
    chat = Chat(engine, tools=(ToolSchema("look", "Looks.", {"type": "object"}),))
    outputs = await chat.say("Look", sampling=Sampling(max_tokens=400))
    (call,) = [output for output in outputs if isinstance(output, ToolCall)]
    cut = engine.truncate(chat.history[-1], 1.0)
    chat.history[-1] = cut
    await chat.go_on(ToolMessage(call, "ok", "nothing"))
    first, second = watcher.jobs
    assert second.reused == len(first.prompt) - 1 + len(cut.tokens) - len(written) - 1
    rest = tokenizer.decode(second.prompt.ids[second.reused :])
    assert rest.startswith(
        "<tts_end><tool_call>function\nlook\n{}</tool_call><|EOT|><|BOT|>input\nnothing"
    )
    assert recomputed(engine._scheduler._model, second) == second.generated
