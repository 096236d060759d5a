"""The cache changes no token: over turns, in batches, after compaction."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

pytest.importorskip("torch")

from assistant.config import Sampling
from assistant.engines.base import EngineRequest
from assistant.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from tests.engines.step_audio_2.tiny_engine import GREEDY, Chat, ToneVocoder, Watcher, recomputed

pytestmark = pytest.mark.anyio

QUESTIONS = ("What is the weather?", "And tomorrow?", "今天怎么样？", "Thank you")


def model_of(engine: Any) -> Any:
    return engine._scheduler._model


def check(engine: Any, watcher: Watcher) -> None:
    assert watcher.jobs
    for job in watcher.jobs:
        assert recomputed(model_of(engine), job) == job.generated


@pytest.mark.parametrize("speak", [True, False])
async def test_the_cache_is_reused_over_turns_with_audio(
    make_engine: Any, noise: Any, speak: bool
) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher, vocoder=ToneVocoder())
    chat = Chat(engine)
    for question in QUESTIONS:
        await chat.say(question, noise(), speak=speak)
    check(engine, watcher)
    reused = [job.reused / len(job.prompt) for job in watcher.jobs]
    assert min(reused[1:]) > 0.5


async def test_a_turn_prefills_only_what_is_new_however_long_the_conversation_is(
    make_engine: Any, noise: Any
) -> None:
    watcher = Watcher()
    chat = Chat(make_engine(steer=watcher))
    for _ in range(12):
        await chat.say("Go on", noise())
    read = [len(job.prompt) - job.reused for job in watcher.jobs]
    assert len(set(read[1:])) == 1


async def test_two_recordings_of_the_same_length_are_distinguished(
    make_engine: Any, noise: Any
) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher)
    chat = Chat(engine)
    await chat.say(noise())
    chat.history[1:] = []
    await chat.say(noise())
    first, second = watcher.jobs
    assert first.prompt.ids == second.prompt.ids
    assert second.reused < len(second.prompt) - second.prompt.audio[0][1].patches
    check(engine, watcher)


async def test_conversations_at_the_same_time_generate_what_each_generates_alone(
    make_engine: Any, noise: Any
) -> None:
    recordings = [noise(0.3 + 0.2 * i) for i in range(5)]
    alone, together = Watcher(), Watcher()
    for index, pcm in enumerate(recordings):
        chat = Chat(make_engine(steer=alone))
        await chat.say(QUESTIONS[index % 4], pcm)
    engine = make_engine(steer=together, max_batch=3, conversations=3)
    async with anyio.create_task_group() as group:
        for index, pcm in enumerate(recordings):
            group.start_soon(Chat(engine).say, QUESTIONS[index % 4], pcm)
    said = {tuple(job.prompt.prefix_ids): job.generated for job in together.jobs}
    assert said == {tuple(job.prompt.prefix_ids): job.generated for job in alone.jobs}
    check(engine, together)


async def test_active_sequences_are_decoded_together_token_by_token(
    make_engine: Any, tokenizer: Any
) -> None:
    """The first is held until the second has been asked; then neither waits for the other."""
    order: list[int] = []
    script = tokenizer.encode("abc def ghi jkl mno")[:8]
    inner, asked = Watcher(script, script, end=tokenizer.special.eot), threading.Event()

    def steer(job: Any, logits: Any) -> Any:
        forced = inner(job, logits)
        order.append(inner.jobs.index(job))
        if len(order) == 2:
            assert asked.wait(30)
        return forced

    engine = make_engine(steer=steer)
    submit = engine._scheduler.submit

    def submitted(job: Any) -> None:
        submit(job)
        if len(inner.jobs) == 1:
            asked.set()

    async with anyio.create_task_group() as group:
        group.start_soon(Chat(engine, Sampling()).say, "one")
        while not order:
            await anyio.lowlevel.checkpoint()
        engine._scheduler.submit = submitted
        group.start_soon(Chat(engine, Sampling()).say, "two")
    both = order[order.index(1) : len(order) - 1 - order[::-1].index(0) + 1]
    assert both.count(0) >= 5
    assert all(
        both[i : i + 3] != [0, 0, 0] and both[i : i + 3] != [1, 1, 1] for i in range(len(both))
    )


async def test_a_conversation_that_lost_its_slot_is_prefilled_again_and_generates_the_same(
    make_engine: Any,
) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher, conversations=1, max_batch=1)
    one, two = Chat(engine), Chat(engine)
    for question in QUESTIONS[:2]:
        await one.say(question)
        await two.say(question)
    assert [job.reused for job in watcher.jobs] == [0, 0, 0, 0]
    check(engine, watcher)


async def test_more_conversations_than_slots_all_get_their_responses(make_engine: Any) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher, conversations=2, max_batch=2)
    chats = [Chat(engine) for _ in range(9)]
    async with anyio.create_task_group() as group:
        for chat in chats:
            group.start_soon(chat.say, "Hi")
    assert len({tuple(job.generated) for job in watcher.jobs}) == 1
    assert len(watcher.jobs) == 9


async def test_a_failure_of_one_response_leaves_the_others_unchanged(make_engine: Any) -> None:
    from assistant.errors import EngineError

    inner = Watcher()

    def steer(job: Any, logits: Any) -> Any:
        inner(job, logits)
        if inner.jobs.index(job) == 0 and not job.generated:
            raise ZeroDivisionError("a defect")
        return logits

    engine = make_engine(steer=steer)
    chat = Chat(engine)
    with pytest.raises(EngineError, match="a defect"):
        await chat.say("Hi")
    chat.history[1:] = []
    await chat.say("Hi")
    assert inner.jobs[1].generated == recomputed(model_of(engine), inner.jobs[1])


# Compaction


async def long_chat(engine: Any, noise: Any, turns: int, *, sampling: Any = GREEDY) -> Chat:
    chat = Chat(engine, sampling)
    for turn in range(turns):
        await chat.say(f"Question {turn}", noise(2.0))
    return chat


async def test_after_compaction_the_same_is_generated_as_without_a_cache(
    make_engine: Any, noise: Any
) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher, vocoder=ToneVocoder(), window=400)
    chat = await long_chat(engine, noise, 7)
    assert chat.state.plan.compacted > 0
    check(engine, watcher)
    assert all(len(job.prompt) + len(job.generated) <= 400 for job in watcher.jobs)


async def test_after_compaction_turns_prefill_only_what_is_new(
    make_engine: Any, noise: Any
) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher, window=400)
    await long_chat(engine, noise, 10)
    answers = [job for job in watcher.jobs if not job.one_off]
    again = [job for job in answers[1:] if job.reused < len(job.prompt) // 2]
    assert 1 <= len(again) <= 3


async def test_old_audio_becomes_its_transcript_and_old_speech_its_text(
    make_engine: Any, noise: Any, tokenizer: Any
) -> None:
    """The model transcribes its user's old audio itself; the script gives it one transcript."""
    special = tokenizer.special
    written = tokenizer.encode("I said this")
    answer = [*tokenizer.encode("Fine"), *[special.speech + 5] * 30, special.tts_end]

    class Both(Watcher):
        def __call__(self, job: Any, logits: Any) -> Any:
            if job not in self.jobs:
                self._scripts = [written if job.one_off else answer]
            return super().__call__(job, logits)

    watcher = Both(end=special.eot)
    engine = make_engine(steer=watcher, vocoder=ToneVocoder(), window=500)
    chat = Chat(engine, Sampling(max_tokens=60))
    for _ in range(9):
        await chat.say(noise(2.0))
    prompt = tokenizer.decode(watcher.jobs[-1].prompt.ids)
    assert "<|BOT|>human\nI said this<|EOT|><|BOT|>assistant\nFine<|EOT|>" in prompt
    assert "<audio_5>" in prompt  # of the newest turns
    transcriptions = [job for job in watcher.jobs if job.one_off]
    assert any(job.idle for job in transcriptions)
    keys = [tuple(job.prompt.prefix_ids) for job in transcriptions if job.reason == "stop"]
    assert len(keys) == len(set(keys)), "each sound is transcribed once"


async def test_a_known_transcript_is_used_instead_of_a_new_one(
    make_engine: Any, noise: Any, tokenizer: Any
) -> None:
    watcher = Watcher()
    chat = Chat(make_engine(steer=watcher, window=400))
    for turn in range(8):
        message = UserMessage((noise(2.0),), transcript=f"spoken words {turn}")
        await chat.go_on(message)
    assert "<|BOT|>human\nspoken words" in tokenizer.decode(watcher.jobs[-1].prompt.ids)
    assert not [job for job in watcher.jobs if job.one_off and not job.idle]


async def test_old_results_are_shortened_and_stay_with_their_calls(
    make_engine: Any, tokenizer: Any
) -> None:
    watcher = Watcher()
    chat = Chat(make_engine(steer=watcher, window=4096))
    for turn in range(30):
        call = ToolCall(str(turn), f"tool_{turn}")
        chat.history += [UserMessage((f"Ask {turn}",)), AssistantMessage("", (call,))]
        await chat.go_on(ToolMessage(call, "ok", f"result_{turn} " + "word " * 200))
        prompt = tokenizer.decode(watcher.jobs[-1].prompt.ids)
        calls = {i for i in range(turn + 1) if f"\ntool_{i}\n" in prompt}
        results = {i for i in range(turn + 1) if f"result_{i} " in prompt}
        asked = {i for i in range(turn + 1) if f"Ask {i}<|EOT|>" in prompt}
        assert calls == results == asked
        assert turn in calls
    assert "…\n\n\n" in prompt
    assert 0 not in calls


async def test_a_cancelled_compaction_leaves_the_conversation_usable(
    make_engine: Any, noise: Any
) -> None:
    watcher = Watcher()
    engine = make_engine(steer=watcher, window=400)
    chat = await long_chat(engine, noise, 4)
    before = list(chat.history)
    request = EngineRequest((*before, UserMessage((noise(8.0),))), sampling=GREEDY)
    with anyio.CancelScope() as scope:
        scope.cancel()
        async for _ in engine.stream(request, chat.state):
            pass
    await chat.say(noise(8.0))
    assert watcher.jobs[-1].generated == recomputed(model_of(engine), watcher.jobs[-1])
