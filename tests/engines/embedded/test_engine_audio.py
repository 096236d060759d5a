"""The embedded engine with audio input, and its other tasks: real recognizer, real voice."""

from __future__ import annotations

from pathlib import Path

import anyio
import numpy as np
import pytest

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.audio.voice import Voice, VoiceTraits
from assistant.engines.base import (
    Engine,
    EngineOutput,
    Task,
)
from assistant.errors import AudioError, EngineError
from assistant.events import Transcript
from assistant.messages import (
    UserMessage,
)
from tests.engines.embedded.conversations import (
    Conversation,
    called,
    on_both_loops,
    said,
    shape,
    speech,
)

pytestmark = pytest.mark.anyio

# A recording of a person that may not be shipped; the folder is beside a developer's checkout.
GREAT_WALL = Path("shared/audio/give_me_a_brief_introduction_to_the_great_wall.wav")
FOUND = [folder / GREAT_WALL for folder in Path(__file__).resolve().parents
         if (folder / GREAT_WALL).is_file()]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "transcript", "calls"),
    [
        ("what_time_is_it_in_tokyo.wav", "what time is it in tokyo",
         [("date_time", {"location_or_timezone": "tokyo"})]),
        ("speak_in_a_deep_male_voice.wav",
         "please speak in a deep male voice what time is it in tokyo",
         [("audio_search", {"description": "deep male"}),
          ("date_time", {"location_or_timezone": "tokyo"})]),
    ],
)  # fmt: skip
async def test_the_spoken_examples_are_transcribed_and_call_their_tools(
    engine: Engine, examples: Path, file: str, transcript: str, calls: object
) -> None:
    outputs = await Conversation(engine).ask(read_audio(examples / file, max_seconds=60))
    assert outputs[0] == Transcript(transcript)
    assert shape(outputs)[1:3] == ["TextDelta", "Speech"]
    assert called(outputs) == calls


@pytest.mark.skipif(not FOUND, reason=f"no {GREAT_WALL} beside this checkout")
async def test_a_question_about_the_great_wall_calls_the_web_search(engine: Engine) -> None:
    outputs = await Conversation(engine).ask(read_audio(FOUND[0], max_seconds=60))
    assert outputs[0] == Transcript("give me a brief introduction to the great wall")
    ((name, arguments),) = called(outputs)
    assert name == "web_search"
    assert "great wall" in str(arguments["query"])


async def test_audio_at_any_rate_and_level_is_transcribed(engine: Engine, examples: Path) -> None:
    pcm = read_audio(examples / "what_time_is_it_in_tokyo.wav", max_seconds=60)
    quiet = Audio(pcm.samples * 0.01, pcm.sample_rate).resampled(48_000)
    outputs = await Conversation(engine).ask(quiet)
    assert outputs[0] == Transcript("what time is it in tokyo")


async def test_noise_and_silence_have_no_words(engine: Engine) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 32_000).astype(np.float32)
    for samples in (np.zeros(32_000, np.float32), noise, np.zeros(0, np.float32)):
        outputs = await Conversation(engine).ask(Audio(samples, 16_000))
        assert outputs[0] == Transcript("")
        assert said(outputs).startswith("I didn't catch that")


async def test_speech_in_another_language_is_not_transcribed_as_english(engine: Engine) -> None:
    chinese = "明天上午我们去北京看长城，然后坐火车回上海，晚上跟朋友一起吃火锅。"
    talk = Conversation(engine)
    talk.messages.append(UserMessage((chinese,)))
    pcm = speech(await talk.step(task="read"))
    outputs = await Conversation(engine).ask(pcm)
    assert outputs[0] == Transcript("")
    assert "English" in said(outputs)
    assert called(outputs) == []


async def test_a_text_only_response_has_no_audio(engine: Engine) -> None:
    talk = Conversation(engine)
    talk.messages.append(UserMessage(("hello",)))
    assert "Speech" not in shape(await talk.step(speak=False))


async def test_reading_aloud_speaks_the_text_unchanged(engine: Engine) -> None:
    talk = Conversation(engine)
    talk.messages.append(UserMessage(("What time is it? 现在几点？",)))
    outputs = await talk.step(task="read")
    assert said(outputs) == "What time is it? 现在几点？"
    assert shape(outputs) == ["TextDelta", "Speech", "TextDelta", "Speech", "Finish"]


async def test_transcribing_returns_the_words(engine: Engine, examples: Path) -> None:
    talk = Conversation(engine)
    pcm = read_audio(examples / "what_time_is_it_in_tokyo.wav", max_seconds=60)
    talk.messages.append(UserMessage((pcm,)))
    outputs = await talk.step(task="transcribe")
    assert said(outputs) == "what time is it in tokyo"
    assert shape(outputs) == ["TextDelta", "Finish"]


async def test_transcribing_another_language_is_refused_in_one_line(engine: Engine) -> None:
    talk = Conversation(engine)
    talk.messages.append(UserMessage(("明天上午我们去北京看长城，然后坐火车回上海。",)))
    pcm = speech(await talk.step(task="read", voice=Voice("x", traits=VoiceTraits(
        110.0, 4.0, 4.0, -20.0, 900.0))))  # fmt: skip
    talk.messages.append(UserMessage((pcm,)))
    with pytest.raises(AudioError, match="could not be understood"):
        await talk.step(task="transcribe")


@pytest.mark.parametrize("task", ["translate", "interpret", "describe", "continue"])
async def test_an_unsupported_task_names_the_engine_that_supports_it(
    engine: Engine, task: Task
) -> None:
    talk = Conversation(engine)
    talk.messages.append(UserMessage(("hello",)))
    with pytest.raises(EngineError, match="step-audio-2") as raised:
        await talk.step(task=task)
    assert "\n" not in str(raised.value)


@on_both_loops
async def test_a_cancelled_turn_leaves_no_thread_behind(engine: Engine, examples: Path) -> None:
    pcm = read_audio(examples / "speak_in_a_deep_male_voice.wav", max_seconds=60)
    long = Audio(np.tile(pcm.samples, 20), pcm.sample_rate)
    talk = Conversation(engine)
    talk.messages.append(UserMessage((long,)))
    received: list[EngineOutput] = []
    async with anyio.create_task_group() as group:

        async def run() -> None:
            received.extend(await talk.step())

        group.start_soon(run)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert received == []
    assert called(await Conversation(engine).ask("roll a dice")) == [("roll_dice", {})]


async def test_several_recordings_are_transcribed_at_the_same_time(
    engine: Engine, examples: Path
) -> None:
    pcm = read_audio(examples / "what_time_is_it_in_tokyo.wav", max_seconds=60)
    transcripts: list[EngineOutput] = []

    async def run() -> None:
        transcripts.append((await Conversation(engine).ask(pcm))[0])

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(run)
    assert transcripts == [Transcript("what time is it in tokyo")] * 3
