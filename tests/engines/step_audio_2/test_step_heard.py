"""What was heard of an answer, told by the tokens that it was made of."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from tiny_engine import GREEDY, Chat, ToneVocoder, Watcher

from assistant.messages import AssistantMessage, ToolCall

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
    ("seconds", "kept"), [(0.0, 0), (0.02, 0), (0.04, 1), (1.0, 25), (3.96, 99), (4.0, 100)]
)
async def test_25_speech_tokens_are_a_second(
    make_engine: Any, tokenizer: Any, seconds: float, kept: int
) -> None:
    text = "one two three"
    message = AssistantMessage(text, tokens=interleaved(tokenizer, text, 100))
    heard = make_engine().heard(message, seconds)
    assert speech_tokens(heard, tokenizer) == kept
    assert text.startswith(heard.text)
    if kept:
        assert heard.tokens[:kept] == message.tokens[:kept]
        assert heard.tokens[-1] == tokenizer.special.tts_end


async def test_all_of_it_heard_is_the_message_as_it_was(make_engine: Any, tokenizer: Any) -> None:
    message = AssistantMessage("one two", tokens=interleaved(tokenizer, "one two", 50))
    assert make_engine().heard(message, 60.0) is message


async def test_words_are_spread_over_the_sound_once_the_text_has_run_out(
    make_engine: Any, tokenizer: Any
) -> None:
    text = " ".join(["word"] * 10)
    message = AssistantMessage(text, tokens=interleaved(tokenizer, text, 1000))
    for share in (0.2, 0.5, 0.8):
        heard = make_engine().heard(message, 40 * share)
        assert len(heard.text) == pytest.approx(len(text) * share, abs=6)
        assert set(heard.text.split()) <= {"word"}


async def test_characters_of_several_tokens_are_whole(make_engine: Any, tokenizer: Any) -> None:
    text = "今天天气很好，你呢？"
    message = AssistantMessage(text, tokens=interleaved(tokenizer, text, 400))
    engine = make_engine()
    for tenth in range(160):
        heard = engine.heard(message, tenth / 10)
        assert text.startswith(heard.text), heard.text


async def test_a_message_that_called_keeps_its_calls(make_engine: Any, tokenizer: Any) -> None:
    tokens = interleaved(tokenizer, "let me see", 60)
    call = ToolCall("1", "look", "{}")
    message = AssistantMessage("let me see", (call,), tokens)
    heard = make_engine().heard(message, 1.0)
    assert heard.calls == (call,)
    assert heard.tokens == ()  # written anew: its tokens would end before the call


async def test_without_speech_the_tokens_tell_nothing(make_engine: Any, tokenizer: Any) -> None:
    engine = make_engine()
    assert engine.heard(AssistantMessage("hello"), 1.0) is None
    written = AssistantMessage("hello", tokens=tuple(tokenizer.encode("hello")))
    assert engine.heard(written, 1.0) is None


async def test_the_cache_is_used_up_to_the_cut(make_engine: Any, tokenizer: Any) -> None:
    tokens = interleaved(tokenizer, "one two three four five six", 100)
    watcher = Watcher(tokens, end=tokenizer.special.eot)
    engine = make_engine(steer=watcher, vocoder=ToneVocoder())
    chat = Chat(engine)
    await chat.say("Count", sampling=type(GREEDY)(max_tokens=400))
    message = chat.history[-1]
    assert isinstance(message, AssistantMessage)
    cut = engine.heard(message, 2.0)
    chat.history[-1] = cut
    await chat.say("Stop")
    first, second = watcher.jobs
    kept = len(first.prompt) + len(cut.tokens) - 3  # up to the end that was put there
    assert second.reused >= kept
