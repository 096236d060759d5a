"""A voice like this clip: other sentences of the same synthesizer's voice find their own clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.library import VoiceLibrary
from assistant.library.voiceprint import Voiceprint

Clip = Callable[[str], Audio]
SENTENCES = Path(__file__).parent / "sentences"
VOICES = sorted(path.stem for path in SENTENCES.glob("*.ogg"))


@pytest.mark.parametrize("name", VOICES)
@pytest.mark.parametrize(("gain", "rate"), [(1.0, 16_000), (0.1, 24_000), (0.5, 44_100)])
def test_another_sentence_finds_the_clip_of_its_voice(
    library: VoiceLibrary, name: str, gain: float, rate: int
) -> None:
    sentence = read_audio(SENTENCES / f"{name}.ogg", max_seconds=60.0)
    query = Audio(sentence.samples * np.float32(gain), sentence.sample_rate).resampled(rate)
    assert library.search_like(query, limit=1)[0].voice.id == name


def test_each_bundled_voice_has_a_second_sentence(library: VoiceLibrary) -> None:
    assert sorted(voice.id for voice in library) == VOICES


def test_the_clip_itself_is_a_perfect_match(library: VoiceLibrary, clip: Clip) -> None:
    match = library.search_like(clip("slt"), limit=1)[0]
    assert (match.voice.id, match.score) == ("slt", pytest.approx(1.0, abs=1e-3))


def test_vectors_have_length_one_whatever_the_audio(clip: Clip) -> None:
    recordings = [clip("awb"), Audio(np.zeros(100, dtype=np.float32), 16_000)]
    lengths = np.linalg.norm(Voiceprint().embed(recordings), axis=1)
    assert lengths == pytest.approx(np.ones(2), abs=1e-5)
    assert Voiceprint().embed([]).shape == (0, 256)
