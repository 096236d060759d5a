"""Streams of a small token2wav: their audio, its timing, and the joins."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audio.samples import OUTPUT_RATE
from assistant.engines.token2wav import Token2Wav, Token2WavSettings, Token2WavStream
from assistant.engines.token2wav.token2wav import ChunkJob
from assistant.engines.token2wav.vocoder import CONTEXT, FADE
from assistant.errors import EngineError

SAMPLES_A_TOKEN = OUTPUT_RATE // 25
PADDING = 6561


def speech(count: int, seed: int = 0) -> list[int]:
    tokens: list[int] = np.random.default_rng(seed).integers(0, PADDING, count).tolist()
    return tokens


def spoken(stream: Token2WavStream, *pieces: Sequence[int]) -> npt.NDArray[np.int16]:
    """Returns the audio of the pieces, pushed one after another, and of the flush."""
    parts = [part for piece in pieces for part in stream.push(piece)] + stream.flush()
    return np.concatenate([np.zeros(0, np.int16), *parts])


def relative(ours: npt.NDArray[np.int16], theirs: npt.NDArray[np.int16]) -> float:
    assert ours.shape == theirs.shape
    theirs = theirs.astype(np.float64)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 120))
def test_an_utterance_of_any_length_has_40_ms_per_token(
    token2wav: Token2Wav, voice: Any, count: int
) -> None:
    assert len(spoken(Token2WavStream(token2wav, voice), speech(count))) == count * SAMPLES_A_TOKEN


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 90), max_size=6))
def test_the_split_of_tokens_over_pushes_changes_no_sample(
    token2wav: Token2Wav, voice: Any, cuts: list[int]
) -> None:
    tokens = speech(90)
    pieces = [tokens[a:b] for a, b in itertools.pairwise([0, *sorted(cuts), 90])]
    whole = spoken(Token2WavStream(token2wav, voice), tokens)
    assert np.array_equal(spoken(Token2WavStream(token2wav, voice), *pieces), whole)


def test_the_first_audio_comes_with_the_first_small_chunk_and_its_look_ahead(
    token2wav: Token2Wav, voice: Any
) -> None:
    stream = Token2WavStream(token2wav, voice)
    first = token2wav.settings.first_chunks[0]
    assert stream.push(speech(first + 2)) == []
    (pcm,) = stream.push(speech(1))
    assert len(pcm) == first * SAMPLES_A_TOKEN - FADE * 480


def test_a_streamed_utterance_nearly_equals_the_one_synthesized_at_once(
    token2wav: Token2Wav, voice: Any
) -> None:
    tokens = speech(93)
    streamed = spoken(Token2WavStream(token2wav, voice), tokens)
    assert relative(streamed, token2wav.speak(tokens, voice)) < 0.01


def test_chunks_join_without_a_click(token2wav: Token2Wav, voice: Any) -> None:
    tokens = speech(100)
    streamed = spoken(Token2WavStream(token2wav, voice), tokens).astype(int)
    whole = token2wav.speak(tokens, voice).astype(int)
    sizes = itertools.islice(token2wav.settings.chunk_sizes(), 5)
    seams = [t * SAMPLES_A_TOKEN for t in itertools.accumulate(sizes) if t < 100]
    around = np.concatenate([np.arange(s - FADE * 480 - 50, s + 50) for s in seams])
    extra = np.abs(np.diff(streamed)[around]) - np.abs(np.diff(whole)[around])
    assert extra.max() < 0.03 * np.abs(whole).max()


def test_padding_and_ids_out_of_range_are_dropped(token2wav: Token2Wav, voice: Any) -> None:
    tokens = speech(40)
    dirty = [PADDING, -1, *tokens[:20], 10**12, *tokens[20:], PADDING + 7]
    clean = spoken(Token2WavStream(token2wav, voice), tokens)
    assert np.array_equal(spoken(Token2WavStream(token2wav, voice), dirty), clean)


def test_no_tokens_have_no_audio(token2wav: Token2Wav, voice: Any) -> None:
    stream = Token2WavStream(token2wav, voice)
    assert stream.push([]) == []
    assert stream.push([PADDING] * 50) == []
    assert stream.flush() == []
    assert len(token2wav.speak([], voice)) == 0


def test_the_next_utterance_starts_fresh_after_a_flush(token2wav: Token2Wav, voice: Any) -> None:
    stream = Token2WavStream(token2wav, voice)
    first = spoken(stream, speech(40))
    assert np.array_equal(spoken(stream, speech(40)), first)


def test_a_closed_stream_is_an_error_that_says_so(token2wav: Token2Wav, voice: Any) -> None:
    stream = Token2WavStream(token2wav, voice)
    stream.push(speech(20))
    stream.close()
    stream.close()
    with pytest.raises(EngineError, match="closed"):
        stream.push([1])
    with pytest.raises(EngineError, match="closed"):
        stream.flush()


def test_streams_of_different_voices_in_one_pass_equal_each_stream_alone(
    token2wav: Token2Wav, voice: Any, other_voice: Any
) -> None:
    alone, together = [], []
    jobs: list[list[ChunkJob]] = [[], []]
    for run in jobs:
        for seed, each in enumerate((voice, other_voice, voice)):
            flow, pcm = token2wav.begin(each), token2wav.begin_vocoder()
            run.append(ChunkJob(speech(28, seed), flow, pcm, last=False))
    alone = [token2wav.batcher.run(job) for job in jobs[0]]
    together = token2wav.batcher.run_all(jobs[1])
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 2


def test_threads_that_push_at_once_each_get_their_own_audio(
    token2wav: Token2Wav, voice: Any, other_voice: Any
) -> None:
    voices = [voice, other_voice] * 3
    expected = [spoken(Token2WavStream(token2wav, v), speech(60, i)) for i, v in enumerate(voices)]
    results: dict[int, npt.NDArray[np.int16]] = {}

    def talk(index: int) -> None:
        results[index] = spoken(Token2WavStream(token2wav, voices[index]), speech(60, index))

    threads = [threading.Thread(target=talk, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, pcm in enumerate(expected):
        assert np.abs(results[index].astype(int) - pcm.astype(int)).max() <= 2


def test_a_long_utterance_uses_no_more_memory_than_a_short_one(
    token2wav: Token2Wav, voice: Any
) -> None:
    flow, pcm = token2wav.begin(voice), token2wav.begin_vocoder()
    held = []
    for seed in range(30):
        token2wav.batcher.run(ChunkJob(speech(28, seed), flow, pcm, last=False))
        held.append(flow.nbytes)
    assert len(set(held[8:])) == 1
    assert pcm.mel.shape[1] == CONTEXT


def test_audio_older_than_the_history_does_not_change_new_audio(
    token2wav: Token2Wav, voice: Any
) -> None:
    """The prompt stays and the middle is dropped: two pasts that differ early end alike."""
    ends = []
    for seed in (1, 2):
        stream = Token2WavStream(token2wav, voice)
        ends.append(spoken(stream, speech(25, seed), speech(600))[-4 * SAMPLES_A_TOKEN :])
    assert relative(ends[0], ends[1]) < 1e-3


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_nearly_equal(folder: Path, prompt: Any, precision: Any) -> None:
    recordings = []
    for each in ("float32", precision):
        settings = Token2WavSettings(device="cpu", precision=each)
        model = Token2Wav.load(folder, settings)
        recordings.append(model.speak(speech(60), model.prepare(prompt)))
    assert relative(recordings[1], recordings[0]) < 0.1


def test_fewer_euler_steps_return_other_audio_of_the_same_length(
    folder: Path, prompt: Any, token2wav: Token2Wav, voice: Any
) -> None:
    settings = Token2WavSettings(device="cpu", precision="float32", euler_steps=4)
    model = Token2Wav.load(folder, settings)
    pcm = model.speak(speech(60), model.prepare(prompt))
    assert relative(pcm, token2wav.speak(speech(60), voice)) > 0


@pytest.mark.parametrize(
    "chosen",
    [
        {"history_s": 0.0},
        {"history_s": 0.2, "chunk": 7},
        {"first_chunks": (), "chunk": 5},
        {"first_chunks": (40, 5), "chunk": 60},
    ],
)
def test_any_history_and_chunk_sizes_return_audio_of_the_right_length(
    folder: Path, prompt: Any, chosen: dict[str, Any]
) -> None:
    settings = Token2WavSettings(device="cpu", precision="float32", **chosen)
    model = Token2Wav.load(folder, settings)
    pcm = spoken(Token2WavStream(model, model.prepare(prompt)), speech(150))
    assert len(pcm) == 150 * SAMPLES_A_TOKEN
    assert pcm.any()
