"""The front end, encoder, adapter and language model against the reference implementation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from assistant.engines.step_audio_2.audio_pieces import encoder_log_mel

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch
from safetensors.numpy import load_file

from assistant.engines.step_audio_2.audio_pieces import patch_count
from assistant.engines.step_audio_2.kv_cache import KeyValueCache
from assistant.engines.step_audio_2.model import StepAudio2Model
from assistant.engines.step_audio_2.sizes import ModelSizes
from tests.golden.weights import GOLDEN_DIR, manifest, relative_error, weight

AUDIO_START = 151_688  # the vectors are in ids of the published vocabulary


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return load_file(GOLDEN_DIR / "language_model.safetensors")


@pytest.fixture(scope="module")
def sizes() -> ModelSizes:
    config = json.loads((GOLDEN_DIR / "language_model.config.json").read_text("utf-8"))
    return ModelSizes.from_config(config)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "packed"])
def model(request: pytest.FixtureRequest, sizes: ModelSizes) -> StepAudio2Model:
    model = StepAudio2Model(sizes, device=torch.device("cpu"), dtype=torch.float32, window=2048)
    for name, place in model.checkpoint_views():
        place.copy_(torch.from_numpy(weight(name, place.shape)))
    if request.param:
        model.pack()
    return model


@pytest.fixture
def cache(sizes: ModelSizes) -> KeyValueCache:
    device = torch.device("cpu")
    return KeyValueCache(sizes.text, slots=1, window=2048, device=device, dtype=torch.float32)


def embeddings(model: StepAudio2Model, golden: dict[str, Any]) -> Any:
    """Returns the embeddings of the prompt, both clips inserted."""
    ids = torch.from_numpy(golden["input_ids"])[0]
    encoded, counts = encode_audio(model, golden)
    x = model.language.embed(ids)
    starts = (ids == AUDIO_START).nonzero()[:, 0].tolist()
    for row, (start, count) in enumerate(zip(starts, counts.tolist(), strict=True)):
        x[start + 1 : start + 1 + count] = encoded[row, :count]
    return x


def encode_audio(model: StepAudio2Model, golden: dict[str, Any]) -> Any:
    mels = torch.from_numpy(golden["log_mels_padded"])
    return model.adapter(*model.encoder(mels, torch.from_numpy(golden["mel_lengths"])))


def test_the_log_mel_spectrogram_equals_the_reference() -> None:
    vectors = load_file(GOLDEN_DIR / "audio_frontend.safetensors")
    expected = vectors["log_mel_128"]
    actual = encoder_log_mel(vectors["wave_16k"], expected.shape[0])
    assert actual.shape == expected.shape
    assert relative_error(actual, expected) < 1e-4


def test_audio_takes_as_many_positions_as_in_the_reference(sizes: ModelSizes) -> None:
    vectors = load_file(GOLDEN_DIR / "audio_frontend.safetensors")
    form = {"kernel_size": sizes.audio.kernel_size, "stride": sizes.audio.adapter_stride}
    counts = [patch_count(int(count), **form) for count in vectors["sample_counts"]]
    assert counts == vectors["audio_patch_counts"].tolist()


def test_names_and_shapes_equal_those_of_the_checkpoint(sizes: ModelSizes) -> None:
    model = StepAudio2Model(sizes, device=torch.device("meta"), dtype=torch.float32)
    shapes = {name: list(place.shape) for name, place in model.checkpoint_views()}
    assert shapes == manifest()["lm_tiny"]


@torch.inference_mode()
def test_the_adapter_returns_the_reference_embeddings(
    model: StepAudio2Model, golden: dict[str, Any]
) -> None:
    encoded, counts = encode_audio(model, golden)
    assert counts.tolist() == golden["adapter_lengths"].tolist()
    assert relative_error(encoded, golden["adapter_out"]) < 1e-4


@torch.inference_mode()
def test_logits_at_every_position_equal_the_reference(
    model: StepAudio2Model, golden: dict[str, Any], cache: KeyValueCache
) -> None:
    logits = model.language.logits(
        model.language.prefill(embeddings(model, golden), cache, slot=0, start=0)
    )
    assert relative_error(logits[-1], golden["last_logits"]) < 1e-4
    top = logits.topk(golden["top8_ids"].shape[1])
    assert relative_error(top.values, golden["top8_values"]) < 1e-4
    assert np.array_equal(top.indices.numpy(), golden["top8_ids"])


@pytest.mark.parametrize("cut", [0, 1, 20])
@torch.inference_mode()
def test_greedy_decoding_with_the_cache_repeats_the_reference(
    model: StepAudio2Model, golden: dict[str, Any], cache: KeyValueCache, cut: int
) -> None:
    x = embeddings(model, golden)
    language = model.language
    if cut:
        language.prefill(x[:cut], cache, slot=0, start=0)
    state = language.prefill(x[cut:], cache, slot=0, start=cut)[-1:]
    ids = []
    for step in range(len(golden["greedy_ids"])):
        token = language.logits(state).argmax(-1)
        ids.append(int(token))
        state = language.decode(token, cache, [0], [len(x) + step])
    assert ids == golden["greedy_ids"].tolist()
