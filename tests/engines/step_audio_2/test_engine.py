"""The engine from the request to the audio, through the real model code."""

from __future__ import annotations

import json
import threading
from typing import Any

import anyio
import numpy as np
import pytest

pytest.importorskip("torch")

from assistant.audio.samples import Audio
from assistant.config import Sampling, Settings
from assistant.engines import create_engine
from assistant.engines.base import EngineRequest, Finish, Speech
from assistant.engines.step_audio_2.tokens import Mark
from assistant.errors import AudioError, EngineError
from assistant.messages import (
    AssistantMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSchema,
    UserMessage,
)
from assistant.testing.checkpoint import tiny_checkpoint
from tests.engines.step_audio_2.tiny_engine import (
    GREEDY,
    Chat,
    ToneVocoder,
    Watcher,
    call_text,
    recomputed,
    spoken,
    text_of,
)

pytestmark = pytest.mark.anyio

WEATHER = ToolSchema("weather", "Tells the weather.", {"type": "object", "properties": {}})


async def test_a_response_that_must_be_a_call_begins_as_one(
    make_engine: Any, tokenizer: Any
) -> None:
    rest = tokenizer.encode('weather\n{"city": "Oslo"}', Mark("</tool_call>"))
    vocoder = ToneVocoder()
    engine = make_engine(steer=Watcher(rest, end=tokenizer.special.eot), vocoder=vocoder)
    outputs = await Chat(engine, Sampling(), tools=(WEATHER,)).say("Hi", must_call=True)
    (call,) = [output for output in outputs if isinstance(output, ToolCall)]
    assert (call.name, call.arguments, call.problem) == ("weather", '{"city": "Oslo"}', "")
    assert outputs[-1].reason == "tool_calls"
    # The history has the whole call, its opening included.
    written = [*tokenizer.encode(Mark("<tool_call>"), "function\n"), *rest]
    assert list(outputs[-1].tokens) == written
    assert vocoder.voices == []


async def test_a_lead_in_is_spoken_and_then_the_tool_is_called(
    make_engine: Any, tokenizer: Any, noise: Any
) -> None:
    lead_in = spoken(tokenizer, "Let me look.", list(range(20)))
    script = [*lead_in, *call_text(tokenizer, "weather", '{"city": "Oslo"}')]
    answer = spoken(tokenizer, "It rains, 三度.", [7, 8, 9])
    vocoder = ToneVocoder()
    watcher = Watcher(script, answer, end=tokenizer.special.eot)
    engine = make_engine(steer=watcher, vocoder=vocoder)
    chat = Chat(engine, Sampling(), tools=(WEATHER,))

    outputs = await chat.say("What is the weather?", noise())
    assert text_of(outputs) == "Let me look."
    samples = np.concatenate([output.samples for output in outputs if isinstance(output, Speech)])
    assert samples.tolist() == [number for number in range(20) for _ in range(960)]
    (call,) = [output for output in outputs if isinstance(output, ToolCall)]
    assert (call.name, json.loads(call.arguments), call.problem) == (
        "weather",
        {"city": "Oslo"},
        "",
    )
    assert isinstance(outputs[-1], Finish)
    assert outputs[-1].reason == "tool_calls"

    outputs = await chat.go_on(ToolMessage(call, "ok", "3 degrees, rain"))
    assert text_of(outputs) == "It rains, 三度."
    assert outputs[-1].reason == "stop"
    assert vocoder.open_streams == 0


async def test_the_second_step_has_the_first_in_its_prompt_and_prefills_only_what_is_new(
    make_engine: Any, tokenizer: Any
) -> None:
    script = [*spoken(tokenizer, "One moment", [1]), *call_text(tokenizer, "weather", "{}")]
    watcher = Watcher(script, script, end=tokenizer.special.eot)
    engine = make_engine(steer=watcher, vocoder=ToneVocoder())
    chat = Chat(engine, Sampling(), tools=(WEATHER,))
    outputs = await chat.say("And now?")
    call = next(output for output in outputs if isinstance(output, ToolCall))
    await chat.go_on(ToolMessage(call, "ok", "sun"))
    first, second = watcher.jobs
    assert second.reused == len(first.prompt) + len(first.generated) - 1
    schemas = json.dumps([WEATHER.to_openai()], ensure_ascii=False)
    prompt = tokenizer.decode(second.prompt.ids)
    assert prompt == (
        "<|BOT|>system\nYou help.<|EOT|>"
        f"<|BOT|>tool_json_schemas\n{schemas}<|EOT|>"
        "<|BOT|>human\nAnd now?<|EOT|>"
        f"<|BOT|>assistant\n<tts_start>{tokenizer.decode(script)}<|EOT|>"
        "<|BOT|>input\nsun\n\n\n请用口语化形式总结检索结果，简短地回答用户的问题。<|EOT|>"
        "<|BOT|>assistant\n<tts_start>"
    )


async def test_results_can_be_sent_in_the_other_documented_role(
    make_engine: Any, tokenizer: Any
) -> None:
    watcher = Watcher()
    chat = Chat(make_engine(steer=watcher, result_role="function_output"))
    call = ToolCall("1", "weather")
    chat.history += [UserMessage(("Hi",)), AssistantMessage("", (call,))]
    await chat.go_on(ToolMessage(call, "ok", "sun"))
    assert tokenizer.decode(watcher.jobs[0].prompt.ids) == (
        "<|BOT|>system\nYou help.<|EOT|><|BOT|>human\nHi<|EOT|>"
        "<|BOT|>assistant\n<tool_call>function\nweather\n{}</tool_call><|EOT|>"
        "<|BOT|>function_output\nweather\nsun<|EOT|><|BOT|>assistant\n"
    )


async def test_a_response_without_tools_reuses_the_cache_and_cannot_call_any(
    make_engine: Any, tokenizer: Any
) -> None:
    watcher = Watcher(call_text(tokenizer, "weather", "{}"), end=tokenizer.special.eot)
    chat = Chat(make_engine(steer=watcher), Sampling(), tools=(WEATHER,))
    outputs = await chat.say("Hi")
    call = next(output for output in outputs if isinstance(output, ToolCall))
    await chat.go_on(ToolMessage(call, "ok", "sun"), tools=(), sampling=GREEDY)
    first, second = watcher.jobs
    assert second.reused == len(first.prompt) + len(first.generated) - 1
    assert second.sampler.banned == [tokenizer.id_of(Mark("<tool_call>"))]


async def test_a_response_without_a_vocoder_is_text_and_the_log_says_so(
    make_engine: Any, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Watcher(tokenizer.encode("Yes"), end=tokenizer.special.eot)
    outputs = await Chat(make_engine(steer=watcher)).say("Hi")
    assert text_of(outputs) == "Yes"
    assert not [output for output in outputs if isinstance(output, Speech)]
    assert "text only" in caplog.text
    assert tokenizer.special.tts_start not in watcher.jobs[0].prompt.ids


@pytest.mark.parametrize("seconds", [0.5, 26.0])
async def test_audio_is_encoded_in_pieces_of_25_seconds(
    make_engine: Any, tokenizer: Any, noise: Any, seconds: float
) -> None:
    watcher = Watcher()
    await Chat(make_engine(steer=watcher)).say(noise(seconds, 24_000))
    prompt, special = watcher.jobs[0].prompt, tokenizer.special
    pieces = 1 if seconds <= 25 else 2
    assert prompt.ids.count(special.audio_start) == prompt.ids.count(special.audio_end) == pieces
    assert prompt.ids.count(special.audio_patch) == sum(p.patches for _, p in prompt.audio)
    assert abs(sum(p.patches for _, p in prompt.audio) - 12.5 * seconds) < 2


@pytest.mark.parametrize(
    ("samples", "what"), [(100, "too short"), (0, "too short")], ids=["tiny", "empty"]
)
async def test_audio_that_is_too_short_is_an_error_that_says_so(
    make_engine: Any, samples: int, what: str
) -> None:
    with pytest.raises(AudioError, match=what):
        await Chat(make_engine()).say(Audio(np.zeros(samples, dtype=np.float32), 16_000))


async def test_audio_that_is_not_finite_is_an_error(make_engine: Any, noise: Any) -> None:
    pcm = noise()
    pcm.samples[5] = np.nan
    with pytest.raises(AudioError, match="NaN"):
        await Chat(make_engine()).say(pcm)


CAPTION = "Please briefly explain the important events involved in this audio clip."
TASKS = [
    ("transcribe", "", "请记录下你所听到的语音内容。", False),
    ("translate", "en-US", "请仔细聆听这段语音，然后将其内容翻译成英文。", False),
    ("interpret", "zh", "请仔细聆听这段语音，然后将其内容翻译成中文并用语音播报。", True),
    (
        "describe",
        "",
        "Please briefly explain the important events involved in this audio clip.",
        False,
    ),
]


@pytest.mark.parametrize(("task", "language", "instruction", "speaks"), TASKS)
async def test_each_task_has_its_own_prompt_and_leaves_the_conversation_unchanged(
    make_engine: Any,
    tokenizer: Any,
    noise: Any,
    task: Any,
    language: str,
    instruction: str,
    speaks: bool,
) -> None:
    watcher = Watcher()
    chat = Chat(make_engine(steer=watcher, vocoder=ToneVocoder()))
    await chat.say("Hi")
    kept = list(chat.state.prefix.prefix_ids)
    pcm = noise()
    await chat.say(pcm, task=task, language=language)
    patches = "<audio_patch>" * watcher.jobs[1].prompt.audio[0][1].patches
    assert tokenizer.decode(watcher.jobs[1].prompt.ids) == (
        f"<|BOT|>system\n{instruction}<|EOT|>"
        f"<|BOT|>human\n<audio_start>{patches}<audio_end><|EOT|>"
        f"<|BOT|>assistant\n{'<tts_start>' if speaks else ''}"
    )
    assert chat.state.prefix.prefix_ids == kept


async def test_reading_aloud_uses_the_text_and_a_penalty_of_its_own(
    make_engine: Any, tokenizer: Any
) -> None:
    watcher = Watcher()
    chat = Chat(make_engine(steer=watcher, vocoder=ToneVocoder()), Sampling(max_tokens=5))
    await chat.say("Good morning.", task="read")
    assert tokenizer.decode(watcher.jobs[0].prompt.ids) == (
        "<|BOT|>system\n以自然的语速读出下面的文字。<|EOT|>"
        "<|BOT|>human\nGood morning.<|EOT|><|BOT|>assistant\n<tts_start>"
    )
    assert watcher.jobs[0].sampler.penalty == 1.1


async def test_a_translation_needs_a_language(make_engine: Any) -> None:
    with pytest.raises(EngineError, match="into which language"):
        await Chat(make_engine()).say("Hi", task="translate")


async def test_a_base_model_continues_without_roles(
    make_engine: Any, tokenizer: Any, tmp_path: Any
) -> None:
    watcher = Watcher()
    folder = tiny_checkpoint(tmp_path / "tiny", base=True)
    chat = Chat(make_engine(folder=folder, steer=watcher, vocoder=ToneVocoder()), history=[])
    await chat.say("Once upon a time", task="continue")
    await chat.say("and then", task="continue")
    await chat.say("Good day.", task="read")
    first, second, _ = watcher.jobs
    said = tokenizer.decode(first.generated)
    prompts = [tokenizer.decode(job.prompt.ids) for job in watcher.jobs]
    assert prompts == [
        "Once upon a time<tts_start>",
        f"Once upon a time<tts_start>{said}and then<tts_start>",
        "以自然的语速读出下面的文字。\nGood day.<tts_start>",
    ]
    assert second.reused == len(first.prompt) + len(first.generated) - 1


async def test_a_thinking_models_thoughts_are_not_spoken(
    make_engine: Any, tokenizer: Any, tmp_path: Any
) -> None:
    thought = tokenizer.encode("Hm, a test.\n</think>")
    answer = spoken(tokenizer, "Hello", [3])
    watcher = Watcher(thought, answer, answer, answer, end=tokenizer.special.eot)
    folder = tiny_checkpoint(tmp_path / "tiny", think=True)
    chat = Chat(make_engine(folder=folder, steer=watcher, vocoder=ToneVocoder()), Sampling())
    outputs = await chat.say("Hi")
    assert text_of(outputs) == "Hello"
    assert tokenizer.decode(watcher.jobs[1].prompt.ids).endswith(
        "<|BOT|>assistant\n\n<think>\nHm, a test.\n</think>\n\n<tts_start>"
    )
    await chat.say("And?")
    prompt = tokenizer.decode(watcher.jobs[2].prompt.ids)
    assert "Hm" not in prompt
    assert prompt.endswith(
        f"<|BOT|>assistant\n<tts_start>{tokenizer.decode(answer)}<|EOT|>"
        "<|BOT|>human\nAnd?<|EOT|><|BOT|>assistant\n\n<think>\n"
    )


async def test_an_endless_thought_leaves_room_for_the_answer(
    make_engine: Any, tokenizer: Any, tmp_path: Any
) -> None:
    folder = tiny_checkpoint(tmp_path / "tiny", think=True)
    thought, answer = tokenizer.encode("hm " * 400), tokenizer.encode("Yes")
    watcher = Watcher(thought, answer, end=tokenizer.special.eot)
    chat = Chat(make_engine(folder=folder, steer=watcher, window=300), Sampling())
    outputs = await chat.say("Hi")
    assert text_of(outputs) == "Yes"
    assert tokenizer.decode(watcher.jobs[1].prompt.ids).endswith("\n</think>\n\n")


async def test_generation_ends_at_a_stop_string_that_is_not_output(
    make_engine: Any, tokenizer: Any
) -> None:
    watcher = Watcher(tokenizer.encode("one two three four"), end=tokenizer.special.eot)
    chat = Chat(make_engine(steer=watcher), Sampling(stop=("three",)))
    outputs = await chat.say("Count")
    assert text_of(outputs) == "one two "
    assert outputs[-1].reason == "stop"


async def test_a_response_is_no_longer_than_its_budget(make_engine: Any, tokenizer: Any) -> None:
    watcher = Watcher(tokenizer.encode("abc " * 50), end=tokenizer.special.eot)
    outputs = await Chat(make_engine(steer=watcher), Sampling(max_tokens=9)).say("Hi")
    assert outputs[-1].reason == "length"
    assert len(outputs[-1].tokens) == 9


async def test_the_same_seed_gives_the_same_response_and_another_does_not(make_engine: Any) -> None:
    engine = make_engine()
    said = [
        (await Chat(engine, Sampling(seed=seed, max_tokens=20)).say("Hi"))[-1].tokens
        for seed in (1, 1, 2)
    ]
    assert said[0] == said[1] != said[2]


async def test_a_closed_stream_stops_the_model_within_a_token_and_the_state_stays_usable(
    make_engine: Any, tokenizer: Any
) -> None:
    """The steer holds the model at its third token until the reader has closed the stream."""
    reached, closed = threading.Event(), threading.Event()
    inner = Watcher()

    def steer(job: Any, logits: Any) -> Any:
        logits = inner(job, logits)
        logits[list(tokenizer.special.ends)] = -float("inf")
        if len(inner.jobs) == 1 and len(job.generated) == 2:
            reached.set()
            assert closed.wait(30)
        return logits

    engine = make_engine(steer=steer)
    chat = Chat(engine)
    state = chat.state = engine.new_state()
    request = EngineRequest(
        (*chat.history, UserMessage(("Hi",))), sampling=Sampling(max_tokens=500)
    )

    async def read() -> None:
        async for _ in engine.stream(request, state):
            pass

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.to_thread.run_sync(reached.wait)
        group.cancel_scope.cancel()
        closed.set()
    await chat.say("Hi")
    first, second = inner.jobs
    assert len(first.generated) <= 4
    assert second.reused > 0
    assert recomputed(engine._scheduler._model, second) == second.generated


async def test_a_history_that_differs_is_prefilled_from_the_difference_on(make_engine: Any) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher)
    chat = Chat(engine)
    await chat.say("The first question")
    chat.history[1:] = []
    await chat.say("Quite another one")
    first, second = watcher.jobs
    assert 0 < second.reused < len(first.prompt)
    assert recomputed(engine._scheduler._model, second) == second.generated


async def test_an_input_longer_than_the_window_is_an_error_that_says_so(make_engine: Any) -> None:
    with pytest.raises(EngineError, match=r"too long: \d+ positions of 256"):
        await Chat(make_engine(window=256)).say("word " * 500)


async def test_the_engine_is_created_from_settings(folder: Any) -> None:
    table = {"model": str(folder), "device": "cpu"}
    settings = Settings.model_validate({"engine": "step-audio-2", "step_audio_2": table})
    engine = create_engine(settings)
    outputs = await Chat(engine, GREEDY).say("Hi")
    assert len(outputs[-1].tokens) == 1 + GREEDY.max_tokens  # <tts_start> comes before the thought
    await engine.aclose()
    with pytest.raises(EngineError, match="closed"):
        await Chat(engine).say("Hi")


async def test_closing_the_engine_ends_its_responses(make_engine: Any, tokenizer: Any) -> None:
    engine = make_engine(steer=Watcher([tokenizer.encode("a")[0]] * 10_000))
    request = EngineRequest(
        (SystemMessage("x"), UserMessage(("Hi",))),
        sampling=Sampling(max_tokens=9_000, repetition_penalty=1.0),
    )
    stream = engine.stream(request, engine.new_state())
    await anext(stream)
    await engine.aclose()
    with pytest.raises(EngineError, match="closed"):
        async for _ in stream:
            pass


async def test_a_failing_voice_ends_the_response_and_the_generation(
    make_engine: Any, tokenizer: Any
) -> None:
    class Broken(ToneVocoder):
        def open(self, voice: Any) -> Any:
            stream = super().open(voice)
            stream.push = lambda tokens: _raise(AudioError("the clip can't be used as a voice"))
            return stream

    special, vocoder = tokenizer.special, Broken()
    watcher = Watcher([special.speech] * 9_000, end=special.eot)
    engine = make_engine(steer=watcher, vocoder=vocoder)
    chat = Chat(engine, Sampling(max_tokens=9_000))
    with pytest.raises(AudioError, match="can't be used as a voice"):
        await chat.say("Hi")
    assert vocoder.open_streams == 0
    chat.history.pop()
    outputs = await chat.say("Hi", speak=False, sampling=GREEDY)
    assert isinstance(outputs[-1], Finish)
    assert len(watcher.jobs[0].generated) < 9_000


async def test_a_second_request_of_a_conversation_waits_for_the_first(make_engine: Any) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher)
    state = engine.new_state()
    chats = [Chat(engine, state=state), Chat(engine, state=state)]
    async with anyio.create_task_group() as group:
        for number, chat in enumerate(chats):
            group.start_soon(chat.say, f"Question {number}")
    for job in watcher.jobs:
        assert recomputed(engine._scheduler._model, job) == job.generated


def _raise(error: Exception) -> Any:
    raise error
