"""Recording and replaying the steps of a chunk, as on a GPU, does not change the audio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engines.token2wav import Token2Wav, Token2WavSettings, Token2WavStream
from assistant.engines.token2wav.flow.attention_cache import EstimatorCache
from assistant.engines.token2wav.flow.shape import FlowShape
from assistant.engines.token2wav.token2wav import ChunkJob
from tests.engines.recorder import Recorder

SIZES: dict[str, Any] = {"first_chunks": (5, 8), "chunk": 10, "history_s": 1.0}
ROUNDING = 2  # of 32767: sums are in another order


@pytest.fixture
def load(folder: Path) -> Callable[..., Token2Wav]:
    def make(precision: str = "float32", **chosen: Any) -> Token2Wav:
        sizes: dict[str, Any] = {**SIZES, **chosen}
        return Token2Wav.load(folder, Token2WavSettings("cpu", precision, **sizes))  # type: ignore[arg-type]

    return make


def speech(count: int, seed: int = 0) -> list[int]:
    tokens: list[int] = np.random.default_rng(seed).integers(0, 6561, count).tolist()
    return tokens


def spoken(token2wav: Token2Wav, voices: list[Any]) -> npt.NDArray[np.int16]:
    """An utterance longer than the history, an equal part of it in each voice."""
    stream, audio = Token2WavStream(token2wav, voices[0]), []
    for index in range(9):
        if index and index % (9 // len(voices)) == 0:
            audio += stream.flush()
            stream = Token2WavStream(token2wav, voices[index * len(voices) // 9])
        audio += stream.push(speech(10, index))
    return np.concatenate([*audio, *stream.flush()])


def assert_same(actual: npt.NDArray[np.int16], expected: npt.NDArray[np.int16]) -> None:
    assert actual.shape == expected.shape
    assert np.abs(expected).max() > 500
    assert np.abs(actual.astype(int) - expected).max() <= ROUNDING


def test_replayed_chunks_equal_those_that_are_not_recorded(
    load: Callable[..., Token2Wav], prompt: Any
) -> None:
    plain, recorded, recorder = load(), load(), Recorder()
    recorded.record(recorder)
    for _ in range(2):
        expected = spoken(plain, [plain.prepare(prompt)])
        assert_same(spoken(recorded, [recorded.prepare(prompt)]), expected)
    # A shape is not recorded at its first use.
    flow, vocoder = recorded.flow.recorded, recorded.hift.recorded
    assert flow is not None
    assert flow.recordings.shapes == [(1, 10, 128), (1, 16, 128), (1, 20, 256)]
    assert vocoder is not None
    assert recorder.replays > 10 * len(plain.flow.steps)


def test_several_streams_with_other_voices_share_a_pass(
    load: Callable[..., Token2Wav],
    prompt: Any,
    other_voice: Any,
    encoder: Any,
    voice_clip: Any,
) -> None:
    """Prompts of 2, 1.3 and 3 s share one recording, which has an unused row."""
    plain, recorded, recorder = load(), load(), Recorder()
    recorded.record(recorder)
    prompts = [prompt, *(encoder.encode(voice_clip(s, pitch=s * 90)) for s in (1.3, 3.0))]

    def run(token2wav: Token2Wav) -> list[npt.NDArray[np.int16]]:
        voices = [token2wav.prepare(prompt) for prompt in prompts]
        states = [(token2wav.begin(voice), token2wav.begin_vocoder()) for voice in voices]
        chunks = []
        for index in range(8):
            jobs = [
                ChunkJob(speech(13, 10 * index + row), flow, audio, last=False)
                for row, (flow, audio) in enumerate(states)
            ]
            chunks.append(token2wav.batcher.run_all(jobs))
        return [np.concatenate(row) for row in zip(*chunks, strict=True)]

    for actual, expected in zip(run(recorded), run(plain), strict=True):
        assert_same(actual, expected)
    assert recorded.flow.recorded is not None
    assert recorded.flow.recorded.recordings.shapes == [(4, 20, 256)]
    assert recorder.replays > 6 * len(plain.flow.steps)


def test_a_voice_may_change_between_replays(
    load: Callable[..., Token2Wav], prompt: Any, encoder: Any, voice_clip: Any
) -> None:
    plain, recorded = load(), load()
    recorded.record(Recorder())
    prompts = [prompt, encoder.encode(voice_clip(1.3, pitch=260.0)), prompt]
    expected = spoken(plain, [plain.prepare(p) for p in prompts])
    assert_same(spoken(recorded, [recorded.prepare(p) for p in prompts]), expected)


@pytest.mark.parametrize(
    "fault", [{"fails_to_record": True}, {"fails_at_replay": 23}, {"fails_at_replay": 26}]
)
def test_if_recording_fails_amid_a_chunk_the_audio_continues(
    load: Callable[..., Token2Wav],
    prompt: Any,
    fault: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain, recorded, recorder = load(), load(), Recorder(**fault)
    recorded.record(recorder)
    expected = spoken(plain, [plain.prepare(prompt)])
    assert_same(spoken(recorded, [recorded.prepare(prompt)]), expected)
    said = [record.message for record in caplog.records]
    assert [line.split(": no CUDA")[0] for line in said] == sorted(
        {"token2wav: flow", "token2wav: vocoder"}
    )


def test_nan_values_stay_in_the_stream_they_belong_to(
    load: Callable[..., Token2Wav], prompt: Any
) -> None:
    """Streams use one place in turn: values of one must not reach the next."""
    plain, recorded = load(), load()
    recorded.record(Recorder())

    def run(token2wav: Token2Wav, poison: float) -> npt.NDArray[np.int16]:
        voice = token2wav.prepare(prompt)
        states = [(token2wav.begin(voice), token2wav.begin_vocoder()) for _ in range(2)]
        audio = []
        for index in range(6):
            if index == 2:
                with torch.inference_mode():
                    states[0][0].estimator.own.values.fill_(poison)
                    states[0][0].estimator.edges.fill_(poison)
                states[1] = (token2wav.begin(voice), token2wav.begin_vocoder())
            for flow, vocoder in states:
                job = ChunkJob(speech(13, index), flow, vocoder, last=False)
                audio.append(token2wav.batcher.run(job))
        return np.concatenate(audio[1::2])

    assert_same(run(recorded, np.nan), run(plain, 0.0))


def test_ends_of_utterances_are_not_recorded(load: Callable[..., Token2Wav], prompt: Any) -> None:
    recorded, recorder = load(), Recorder()
    recorded.record(recorder)
    voice = recorded.prepare(prompt)
    for _ in range(3):
        stream = Token2WavStream(recorded, voice)
        stream.push(speech(4))
        stream.flush()
    assert recorder.records == 0


def test_a_history_too_large_for_the_budget_is_not_recorded(
    load: Callable[..., Token2Wav], prompt: Any
) -> None:
    plain, recorded, recorder = load(), load(), Recorder()
    recorded.record(recorder)
    assert recorded.flow.recorded is not None
    recorded.flow.recorded.recordings.most_bytes = 1000
    expected = spoken(plain, [plain.prepare(prompt)])
    assert_same(spoken(recorded, [recorded.prepare(prompt)]), expected)
    assert recorded.flow.recorded.recordings.shapes == []


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_recorded_too(
    load: Callable[..., Token2Wav], prompt: Any, precision: str
) -> None:
    exact, plain, recorded = load(), load(precision), load(precision)
    recorder = Recorder()
    recorded.record(recorder)
    pcm_parts = [
        spoken(token2wav, [token2wav.prepare(prompt)]).astype(np.float64)
        for token2wav in (exact, plain, recorded)
    ]
    size = np.linalg.norm(pcm_parts[0])
    assert recorder.replays
    assert np.linalg.norm(pcm_parts[2] - pcm_parts[0]) < 1.3 * np.linalg.norm(
        pcm_parts[1] - pcm_parts[0]
    )
    assert np.linalg.norm(pcm_parts[2] - pcm_parts[0]) < 0.2 * size


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_graphs_on_a_gpu_give_the_audio_of_a_run_without_graphs(
    folder: Path, prompt: Any, precision: Any
) -> None:
    pcm_parts = []
    for graphs in (False, True):
        options = Token2WavSettings("cuda", precision, cuda_graphs=graphs, **SIZES)
        token2wav = Token2Wav.load(folder, options)
        voice = token2wav.prepare(prompt)
        pcm_parts.append([spoken(token2wav, [voice]).astype(np.float64) for _ in range(2)][1])
    assert token2wav.flow.recorded is not None
    assert not token2wav.flow.recorded.recordings.failed
    assert token2wav.flow.recorded.recordings.shapes
    allowed = 0.002 if precision == "float32" else 0.2
    assert np.linalg.norm(pcm_parts[1] - pcm_parts[0]) < allowed * np.linalg.norm(pcm_parts[0])


@settings(max_examples=50, deadline=None)
@given(
    chunks=st.lists(st.integers(1, 7), min_size=1, max_size=12),
    capacity=st.integers(7, 20),
    prompt_frames=st.integers(0, 3),
)
def test_a_chunk_attends_to_the_same_frames_at_once_and_layer_by_layer(
    chunks: list[int], capacity: int, prompt_frames: int
) -> None:
    shape = FlowShape(depth=2, hidden=4, estimator_heads=1, head_width=2)
    like = torch.empty(0)
    prompt = EstimatorCache.start(shape, 1, prompt_frames, like).own if prompt_frames else None
    if prompt:
        prompt.keys.fill_(-1)
        prompt.values.fill_(-1)
    memories = []
    for _ in range(2):
        start = EstimatorCache.start(shape, 1, capacity, like)
        memories.append(EstimatorCache(prompt, start.own, start.edges))
    at_once, by_layer = memories
    number = 0
    for chunk in chunks:
        frames = torch.arange(number, number + chunk).float().repeat(2, 2, 2, 1).transpose(2, 3)
        number += chunk
        past = torch.cat([keys for keys, _ in at_once.past(0, chunk)] + [frames], dim=2)
        at_once.keep(0, frames, -frames)
        for layer in range(2):
            by_layer.store(0, layer, frames[layer], -frames[layer])
            parts = by_layer.visible(0, layer, chunk)
            seen = torch.cat([keys for keys, _ in parts], dim=1)
            assert past.shape[2] == at_once.reach(chunk) == seen.shape[1]
            assert torch.equal(past[layer].sort(dim=1).values, seen.sort(dim=1).values)
        for memory in memories:
            memory.advance(chunk)
        filled = min(number, capacity)
        for one, other in zip(
            (at_once.own.keys, at_once.own.values),
            (by_layer.own.keys, by_layer.own.values),
            strict=True,
        ):
            assert torch.equal(one[:, :, :, :filled], other[:, :, :, :filled])
