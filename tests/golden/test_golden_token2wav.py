"""token2wav against the reference, at full size, with weights made by a rule.

GOLDEN_DIR names another folder of vectors; every size and the salt are read from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from assistant.testing.whole_utterance import whole_utterance

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file
pytest.importorskip("transformers")
pytest.importorskip("kaldi_native_fbank")

from assistant.engines.token2wav.features import flow_mel, speaker_fbank  # noqa: E402
from assistant.engines.token2wav.flow.model import Flow  # noqa: E402
from assistant.engines.token2wav.flow.shape import FlowShape  # noqa: E402
from assistant.engines.token2wav.hift.generator import Hift, HiftShape  # noqa: E402
from tests.golden.weights import GOLDEN_DIR, manifest, weight  # noqa: E402

TOLERANCE = 1e-4
LOOK_AHEAD, CHUNK = 3, 25


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Runs torch on one thread: threads wait for one another if other tests run in parallel."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def vectors(name: str) -> dict[str, Any]:
    tensors: dict[str, Any] = load_file(GOLDEN_DIR / f"{name}.safetensors")
    return tensors


def load_by_rule(model: Any, part: str) -> Any:
    """Loads weights by the rule, with the names and shapes of the reference."""
    weights = {name: weight(name, shape) for name, shape in manifest()[part].items()}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    model.pack()
    return model


@pytest.fixture(scope="module")
def flow() -> Any:
    with torch.inference_mode():
        sizes = vectors("flow")
        shape = FlowShape(
            mel=sizes["prompt_mel"].shape[2], speaker=sizes["speaker_embedding"].shape[1]
        )
        model = load_by_rule(Flow(shape), "flow")
        model.use_noise(sizes["noise"][0].T.contiguous())
        return model


@pytest.fixture(scope="module")
def hift() -> Any:
    with torch.inference_mode():
        return load_by_rule(Hift(HiftShape(mel=vectors("hift")["mel"].shape[1])), "hift")


def error(ours: Any, reference: Any) -> float:
    """Returns the norm of the difference over the norm of the reference."""
    assert ours.shape == reference.shape
    return float((ours - reference).norm() / reference.norm())


def test_the_flow_generates_a_whole_utterance_like_the_reference(flow: Any) -> None:
    v = vectors("flow")
    mel = whole_utterance(
        flow, v["tokens"], v["prompt_tokens"], v["prompt_mel"], v["speaker_embedding"]
    )
    assert error(mel.transpose(1, 2), v["mel_offline"]) < TOLERANCE


def test_the_flow_generates_each_chunk_of_a_stream_like_the_reference(flow: Any) -> None:
    v = vectors("flow")
    prompt = flow.prepare(v["prompt_tokens"], v["prompt_mel"], v["speaker_embedding"])
    names = sorted(name for name in v if name.startswith("mel_chunk"))
    newest = flow.noise.shape[0]
    state = flow.begin(prompt, newest=newest)
    for index, name in enumerate(names):
        last = name.endswith("_last")
        end = None if last else (index + 1) * CHUNK + LOOK_AHEAD
        tokens = v["tokens"][:, index * CHUNK : end]
        mel = flow.chunk([tokens], [state], last=last, newest=newest)
        assert error(mel.transpose(1, 2), v[name]) < TOLERANCE, name


def test_two_streams_in_one_pass_equal_each_stream_alone(flow: Any) -> None:
    v = vectors("flow")
    prompt = flow.prepare(v["prompt_tokens"], v["prompt_mel"], v["speaker_embedding"])
    first = v["tokens"][:, : CHUNK + LOOK_AHEAD]
    states = [flow.begin(prompt, newest=100) for _ in range(2)]
    both = flow.chunk([first.flip(1), first], states, last=False, newest=100)
    assert error(both[1:].transpose(1, 2), v["mel_chunk0"]) < TOLERANCE


def test_the_vocoder_predicts_pitch_like_the_reference(hift: Any) -> None:
    v = vectors("hift")
    assert error(hift.f0(v["mel"]) * 200, v["f0_times_200"]) < TOLERANCE


def test_the_vocoder_generates_the_source_like_the_reference(hift: Any) -> None:
    v = vectors("hift")
    assert error(hift.m_source(v["f0_in"]), v["source_without_noise"]) < TOLERANCE


def test_the_vocoder_returns_the_samples_of_the_reference(hift: Any) -> None:
    v = vectors("hift")
    assert error(hift.decode(v["mel"], v["source"]), v["wave"]) < TOLERANCE


def test_a_clip_has_the_mel_frames_of_the_reference() -> None:
    v = vectors("prompt_features")
    mel = flow_mel(v["wave_24k"].numpy())
    assert error(mel.T[None], v["mel_80_24k"]) < TOLERANCE


def test_a_clip_has_the_speaker_features_of_the_reference() -> None:
    v = vectors("prompt_features")
    features = torch.from_numpy(speaker_fbank(v["wave_16k"].numpy()))
    assert error(features, v["speaker_fbank_80"]) < 2e-3
