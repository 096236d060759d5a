"""The networks against transformers, the two ways to decode, and how tokens are picked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.engines.step_audio_2.audio_pieces import encoder_log_mel

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from assistant.config import Sampling
from assistant.engines.step_audio_2.audio_pieces import frame_count, patch_count, pieces
from assistant.engines.step_audio_2.checkpoint import load_checkpoint
from assistant.engines.step_audio_2.decoder import Decoder
from assistant.engines.step_audio_2.kv_cache import KeyValueCache
from assistant.engines.step_audio_2.language import LanguageModel
from assistant.engines.step_audio_2.sampling import Sampler, pick
from tests.engines.recorder import GPU, Inspector, Recorder
from tests.engines.step_audio_2.tiny_engine import GREEDY

CPU = torch.device("cpu")
VOCABULARY = 3000


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_checkpoint(str(folder), device=CPU, dtype=torch.float32, window=256).model


def new_cache(model: Any, slots: int = 4) -> KeyValueCache:
    text = model.sizes.text
    return KeyValueCache(text, slots=slots, window=256, device=CPU, dtype=torch.float32)


@torch.inference_mode()
def test_logits_equal_those_of_transformers(model: Any, folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    text = model.sizes.text
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
             "num_attention_heads", "num_key_value_heads", "rms_norm_eps")  # fmt: skip
    given = {name: getattr(text, name) for name in names}
    rope = {"rope_type": "default", "rope_theta": text.rope_theta}
    config = transformers.Qwen2Config(
        **given, rope_theta=text.rope_theta, rope_parameters=rope, tie_word_embeddings=False
    )
    reference = transformers.Qwen2ForCausalLM(config).eval()
    stored = [load_file(file) for file in folder.glob("*.safetensors")]
    weights = {name: tensor for part in stored for name, tensor in part.items()}
    missing = reference.load_state_dict(weights, strict=False)
    assert not missing.missing_keys
    ids = torch.arange(40) * 97 % text.vocab_size
    expected = reference(ids[None]).logits[0]
    actual = model.language.logits(
        model.language.prefill(model.language.embed(ids), new_cache(model), 0, 0)
    )
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
@torch.inference_mode()
def test_prefill_in_pieces_or_token_by_token_is_the_same_as_at_once(model: Any, data: Any) -> None:
    language, length = model.language, 24
    ids = torch.tensor(data.draw(st.lists(st.integers(0, 400), min_size=length, max_size=length)))
    cuts = sorted(data.draw(st.sets(st.integers(1, length - 1), max_size=4)))
    whole = language.prefill(language.embed(ids), new_cache(model), 0, 0)
    cache, states = new_cache(model), []
    for start, end in zip([0, *cuts], [*cuts, length], strict=True):
        if end - start > 2:
            states.append(language.prefill(language.embed(ids[start:end]), cache, 2, start))
            continue
        for place in range(start, end):
            states.append(language.decode(ids[place : place + 1], cache, [2], [place]))
    torch.testing.assert_close(torch.cat(states), whole, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_recordable_step_returns_the_same_as_the_other(model: Any) -> None:
    """What a GPU records, in a batch whose rows are of different lengths, the last one a filler."""
    language, lengths, slots = model.language, [5, 17, 5], [3, 1, 3]
    exact, padded = new_cache(model), new_cache(model)
    for cache in (exact, padded):
        for tensor in (*cache.keys, *cache.values):
            tensor.zero_()
        for slot, length in zip(slots, lengths, strict=True):
            language.prefill(language.embed(torch.arange(length)), cache, slot, 0)
    ids = torch.tensor([7, 8, 7])
    expected = language.decode(ids[:2], exact, slots[:2], lengths[:2])
    actual = language.decode_padded(
        ids, padded, torch.tensor(slots), torch.tensor(lengths), reach=32
    )
    torch.testing.assert_close(actual[:2], expected, rtol=1e-5, atol=1e-6)
    for slot, length in zip(slots, lengths, strict=True):
        for one, other in zip(exact.keys, padded.keys, strict=True):
            torch.testing.assert_close(one[slot, :, : length + 1], other[slot, :, : length + 1])


@torch.inference_mode()
def test_batches_of_similar_size_share_recorded_steps(model: Any) -> None:
    language, slots, lengths = model.language, [2, 0, 1], [9, 3, 30]
    exact, recorded = new_cache(model), new_cache(model)
    for cache in (exact, recorded):
        for tensor in (*cache.keys, *cache.values):
            tensor.zero_()
        for slot, length in zip(slots, lengths, strict=True):
            language.prefill(language.embed(torch.arange(length)), cache, slot, 0)
    one, other = Decoder(language, exact), Decoder(language, recorded, Recorder())
    for step in range(4):
        size = 3 - step % 2  # one of the three joins every other step only
        ids = [7 + step, 8, 9][:size]
        expected = one.decode(ids, slots[:size], lengths[:size])
        actual = other.decode(ids, slots[:size], lengths[:size])
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
        lengths = [length + (row < size) for row, length in enumerate(lengths)]
    assert one.steps is None
    assert other.steps.shapes == [(4, 256), (2, 256)]


@torch.inference_mode()
def test_a_batched_step_stays_on_the_gpu_and_can_be_recorded(model: Any) -> None:
    sizes = model.sizes.text
    language = LanguageModel(sizes, device=GPU, dtype=torch.bfloat16, window=256)
    cache = KeyValueCache(sizes, slots=4, window=256, device=GPU, dtype=torch.bfloat16)
    inspector = Inspector()
    decoder = Decoder(language, cache, inspector)
    assert decoder.decode([7, 8, 9], [2, 0, 1], [9, 3, 30]).shape == (3, sizes.vocab_size)
    assert decoder.steps is not None
    assert not decoder.steps.failed
    assert inspector.operations[0] > 20


@pytest.mark.parametrize("fault", [{"fails_to_record": True}, {"fails_at_replay": 2}])
@torch.inference_mode()
def test_decoding_continues_unrecorded_if_recording_fails(
    model: Any, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    language = model.language
    one = Decoder(language, new_cache(model))
    other = Decoder(language, new_cache(model), Recorder(**fault))
    for length in range(5):
        expected = one.decode([7 + length], [1], [length])
        actual = other.decode([7 + length], [1], [length])
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
    assert [record.message.split(":")[0] for record in caplog.records] == ["language model"]


# Audio


@given(count=st.integers(0, 500_000))
def test_positions_are_counted_as_the_networks_produce_them(count: int) -> None:
    frames = frame_count(count)
    made = (frames + 1) // 2 // 2  # states of the whole log-mel, padding included
    assert 0 <= patch_count(count) <= max(0, (made - 1) // 2 + 1)
    assert sum(len(piece) for piece in pieces(np.zeros(count, np.float32))) == count


@pytest.mark.parametrize("count", [1600, 4000, 8001, 16000, 15999, 40000])
@torch.inference_mode()
def test_the_encoder_returns_as_many_embeddings_as_are_counted(model: Any, count: int) -> None:
    mel = encoder_log_mel(np.zeros(count, np.float32))
    assert mel.shape == (128, frame_count(count))
    assert len(model.encode_audio(mel)) == patch_count(count)


# Picking


def logits_of(*chances: float) -> Any:
    full = torch.full((VOCABULARY,), -30.0)
    full[: len(chances)] = torch.tensor(chances).log()
    return full


def drawn(logits: Any, sampling: Sampling, times: int = 300) -> Counter[int]:
    sampler = Sampler(sampling)
    return Counter(pick(logits.clone()[None], [sampler])[0] for _ in range(times))


def test_greedy_sampling_picks_the_most_probable_token() -> None:
    assert drawn(logits_of(0.2, 0.5, 0.3), GREEDY, 3) == {1: 3}


def test_top_k_and_top_p_exclude_the_tail() -> None:
    logits = logits_of(0.4, 0.3, 0.2, 0.1)
    free = {"temperature": 1.0, "repetition_penalty": 1.0, "seed": 3}
    assert drawn(logits, Sampling(top_k=2, top_p=1.0, **free)).keys() == {0, 1}
    assert drawn(logits, Sampling(top_p=0.65, **free)).keys() == {0, 1}
    assert drawn(logits, Sampling(top_p=0.75, **free)).keys() == {0, 1, 2}
    assert drawn(logits, Sampling(top_p=1.0, **free)).keys() == {0, 1, 2, 3}
    # Of the two that top_k leaves, the first alone has more than half.
    assert drawn(logits, Sampling(top_k=2, top_p=0.5, **free)).keys() == {0}


def test_tokens_are_sampled_in_proportion_to_their_probability() -> None:
    sampling = Sampling(temperature=1.0, top_p=1.0, repetition_penalty=1.0, seed=5)
    counts = drawn(logits_of(0.6, 0.3, 0.1), sampling, 3000)
    assert [round(counts[i] / 3000, 1) for i in range(3)] == [0.6, 0.3, 0.1]
    cold = drawn(logits_of(0.6, 0.3, 0.1), sampling.model_copy(update={"temperature": 0.1}), 300)
    assert cold[0] > 290


def test_a_flat_distribution_is_sampled_as_a_whole() -> None:
    """The nucleus is wider than the first candidates that are read."""
    sampling = Sampling(temperature=1.0, top_p=1.0, repetition_penalty=1.0, seed=5)
    seen = drawn(torch.zeros(VOCABULARY), sampling, 2000)
    assert max(seen) > 2900
    assert len(seen) > 1300


def test_generated_tokens_are_less_probable_by_the_penalty() -> None:
    sampler = Sampler(Sampling(temperature=0.0, repetition_penalty=1.5))
    sampler.observe([0, 2], 3, CPU)
    logits = torch.tensor([[3.0, 2.5, -1.0]])
    assert pick(logits, [sampler]) == [1]
    torch.testing.assert_close(logits, torch.tensor([[2.0, 2.5, -1.5]]))


def test_a_banned_token_is_never_picked() -> None:
    assert pick(logits_of(0.9, 0.1)[None].clone(), [Sampler(GREEDY, banned=[0])]) == [1]


@settings(max_examples=25, deadline=None)
@given(seeds=st.lists(st.integers(0, 99), min_size=2, max_size=4), top_p=st.floats(0.1, 1.0))
def test_a_row_samples_the_same_token_alone_and_in_a_batch(seeds: list[int], top_p: float) -> None:
    logits = torch.randn(len(seeds), VOCABULARY, generator=torch.Generator().manual_seed(1))
    options = [Sampling(seed=seed, top_p=top_p, temperature=1.0 + seed % 2) for seed in seeds]
    options[0] = GREEDY
    together = pick(logits.clone(), [Sampler(option) for option in options])
    alone = [
        pick(logits[row : row + 1].clone(), [Sampler(option)])[0]
        for row, option in enumerate(options)
    ]
    assert together == alone
