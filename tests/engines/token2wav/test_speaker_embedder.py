"""The speaker encoder of a checkpoint as an embedder of the library's clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from assistant.audio.samples import Audio
from assistant.engines.token2wav import PromptMaker
from assistant.engines.token2wav.speaker_embedder import SpeakerEmbedder
from assistant.errors import EngineError

MakeClip = Callable[..., Audio]


@pytest.fixture(scope="module")
def embedder(folder: Path) -> SpeakerEmbedder:
    return SpeakerEmbedder(folder)


def test_the_vector_is_the_normalized_vector_of_the_voice_prompt(
    embedder: SpeakerEmbedder, maker: PromptMaker, voice_clip: MakeClip
) -> None:
    (vector,) = embedder.embed([voice_clip()])
    speaker = maker.make(voice_clip()).speaker
    assert vector.shape == (192,)
    assert vector.dtype == np.float32
    assert vector == pytest.approx(speaker / np.linalg.norm(speaker), abs=1e-5)


def test_a_voice_is_closer_to_itself_at_another_rate_than_to_another_voice(
    embedder: SpeakerEmbedder, voice_clip: MakeClip
) -> None:
    same, again, other = embedder.embed(
        [voice_clip(), voice_clip(rate=44_100), voice_clip(pitch=260.0)]
    )
    assert same @ again > max(same @ other, again @ other)


def test_a_long_clip_counts_up_to_the_length_of_a_voice_prompt(
    embedder: SpeakerEmbedder, voice_clip: MakeClip
) -> None:
    long = voice_clip(15.0)
    cut = Audio(long.samples[: 10 * long.sample_rate], long.sample_rate)
    both = embedder.embed([long, cut])
    assert np.array_equal(both[0], both[1])


@pytest.mark.parametrize(
    "samples", [np.zeros(0), np.zeros(24_000), np.full(24_000, 1e-5), np.full(11_000, 0.5)]
)
def test_audio_without_a_voice_gives_zeros(embedder: SpeakerEmbedder, samples: np.ndarray) -> None:
    assert not embedder.embed([Audio(samples.astype(np.float32), 24_000)]).any()


def test_no_clips_give_no_rows(embedder: SpeakerEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 192)


def test_another_model_has_another_name(embedder: SpeakerEmbedder, tmp_path: Path) -> None:
    from assistant.testing.checkpoint_token2wav import tiny_token2wav

    assert embedder.name.startswith("campplus-")
    assert SpeakerEmbedder(tiny_token2wav(tmp_path / "other", seed=1)).name != embedder.name


def with_width(width: int) -> Callable[[Path], object]:
    """A model whose vectors are too long or too short."""

    def change(path: Path) -> None:
        model = onnx.load(path)
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = width
        projection = np.ones((80, width), np.float32)
        model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(projection, "projection"))
        onnx.save(model, path)

    return change


def with_weights_that_are_no_numbers(path: Path) -> None:
    model = onnx.load(path)
    projection = np.full((80, 192), np.nan, np.float32)
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(projection, "projection"))
    onnx.save(model, path)


def for_one_length_only(path: Path) -> None:
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 100
    onnx.save(model, path)


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.unlink(), "no such file"),
    (lambda path: path.write_bytes(b""), "not a model that can be read"),
    (lambda path: path.write_bytes(path.read_bytes()[:-5_000]), "not a model that can be read"),
    (lambda path: path.write_text("a page of a web server"), "not a model that can be read"),
    (with_width(256), "it gives 256 values, not 192"),
    (with_weights_that_are_no_numbers, "no numbers"),
    (for_one_length_only, "failed"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_an_unusable_model_is_refused_in_one_line_before_use(
    tmp_path: Path, folder: Path, damage: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "campplus.onnx"
    path.write_bytes((folder / "campplus.onnx").read_bytes())
    damage(path)
    with pytest.raises(EngineError, match=said) as caught:
        SpeakerEmbedder(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
