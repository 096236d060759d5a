"""Real recordings in, frames of speech out; benchmarks/speech_detection.py measures how late."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audio.g711 import A_LAW, MU_LAW
from assistant.audio.samples import Pcm16
from assistant.config import LiveSettings
from assistant.errors import AudioError
from assistant.live.vad.frames import FRAME_S, Frame, VoiceActivityDetector
from tests.live.vad.recordings import (
    DEFAULTS,
    NAMES,
    Signal,
    detected,
    hum,
    noisy,
    pcm,
    pink,
    recording,
    runs,
    silence,
    speech_edges,
    turns,
    white,
)


class Judge:
    """A speech detector that is a function of the frame."""

    def __init__(self, probability: Callable[[Pcm16], float]) -> None:
        self.probability = probability

    def __call__(self, samples: Pcm16) -> float:
        return self.probability(samples)

    def reset(self) -> None: ...


def scripted(probabilities: Sequence[float]) -> Judge:
    script = iter(probabilities)
    return Judge(lambda samples: next(script))


VARIANTS: dict[str, tuple[int, Callable[[Signal], Signal], Callable[[Pcm16], Pcm16]]] = {
    "mu-law": (8_000, lambda x: x, lambda x: MU_LAW.decode(MU_LAW.encode(x))),
    "a-law": (8_000, lambda x: x, lambda x: A_LAW.decode(A_LAW.encode(x))),
    "16k": (16_000, lambda x: x, lambda x: x),
    "24k": (24_000, lambda x: x, lambda x: x),
    "44k1": (44_100, lambda x: x, lambda x: x),
    "48k": (48_000, lambda x: x, lambda x: x),
    "quiet": (16_000, lambda x: 0.1 * x, lambda x: x),
    "quiet mu-law": (8_000, lambda x: 0.1 * x, lambda x: MU_LAW.decode(MU_LAW.encode(x))),
    "loud": (16_000, lambda x: 2.0 * x, lambda x: x),
    "clipped": (16_000, lambda x: 30.0 * x, lambda x: x),
    "offset": (16_000, lambda x: x + 0.2, lambda x: x),
    "white noise": (16_000, noisy(white), lambda x: x),
    "pink noise": (16_000, noisy(pink), lambda x: x),
    "hum": (16_000, noisy(hum, 5.0), lambda x: x),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_speech_is_detected_from_its_first_syllable_to_its_end(name: str, variant: str) -> None:
    rate, change, code = VARIANTS[variant]
    speech = recording(name, rate)
    begin, end = speech_edges(speech, rate)
    lead = 1.5
    padded = np.concatenate((silence(lead, rate), speech, silence(1.0, rate)))
    found = turns(detected(code(pcm(change(padded))), rate))
    first, last = found[0][0] - lead, found[-1][1] - lead
    # The turn's audio begins `prefix_ms` before the first frame of speech.
    assert begin - 0.5 <= first <= begin + DEFAULTS.prefix_ms / 1_000
    assert end - 0.2 <= last <= end + 0.35
    assert sum(stop - start for start, stop in found) >= 0.7 * (end - begin)


@pytest.mark.parametrize("into", [0.0, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_speech_from_the_very_first_sample_is_detected(name: str, into: float) -> None:
    speech = recording(name)
    begin, end = speech_edges(speech)
    begin += into
    found = turns(detected(pcm(np.concatenate((speech[int(begin * 16_000) :], silence(1.0))))))
    assert found[0][0] <= DEFAULTS.prefix_ms / 1_000
    assert found[-1][1] >= end - begin - 0.2


def test_full_scale_samples_are_judged_without_an_error() -> None:
    square = np.where(np.arange(80_000) // 50 % 2, 32_767, -32_768).astype(np.int16)
    steady = np.full(80_000, -32_768, np.int16)
    frames = detected(np.concatenate((square, steady)))
    assert len(frames) == 160_000 // 512
    assert not any(frame.speech for frame in frames[-100:])


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from([8_000, 16_000, 24_000, 48_000]),
    st.lists(st.sampled_from([1, 7, 320, 5_000, 100_000]), min_size=1, max_size=40),
)
def test_the_frames_are_the_same_however_the_audio_is_split(rate: int, sizes: list[int]) -> None:
    samples = pcm(np.concatenate((silence(0.4, rate), recording("roll_a_dice", rate))))
    whole = VoiceActivityDetector(DEFAULTS, rate).push(samples)
    detector, at, cut = VoiceActivityDetector(DEFAULTS, rate), 0, []
    for size in itertools.chain(sizes, itertools.repeat(100_000)):
        cut += detector.push(samples[at : at + size])
        at += size
        if at >= len(samples):
            break
    assert [frame.start for frame in cut] == [frame.start for frame in whole]
    assert [frame.speech for frame in cut] == [frame.speech for frame in whole]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(cut, whole, strict=True))


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_no_single_frame_of_speech_or_pause_stands_alone(
    probabilities: list[float], threshold: float
) -> None:
    detector = VoiceActivityDetector(
        LiveSettings(threshold=threshold), 16_000, scripted(probabilities)
    )
    frames = detector.push(np.zeros(512 * len(probabilities), np.int16))
    between = runs(frames)[1:-1]
    assert all(round((end - begin) / FRAME_S) >= 2 for _, begin, end in between)


def labels(probabilities: Sequence[float], detector_settings: LiveSettings = DEFAULTS) -> str:
    detector = VoiceActivityDetector(detector_settings, 16_000, scripted(probabilities))
    frames = detector.push(np.zeros(512 * len(probabilities), np.int16))
    return "".join("x" if frame.speech else "." for frame in frames)


def test_speech_begins_at_the_threshold_and_continues_a_little_below_it() -> None:
    assert labels([0.4, 0.49, 0.5, 0.4, 0.36, 0.34, 0.4, 0.49, 0.6]) == "..xxx...x"


def test_the_threshold_can_be_set_during_speech() -> None:
    detector = VoiceActivityDetector(DEFAULTS, 16_000, scripted([0.7] * 8))
    first = detector.push(np.zeros(512 * 4, np.int16))
    detector.settings = LiveSettings(threshold=0.9)
    assert [frame.speech for frame in first] == [True] * 4
    assert [frame.speech for frame in detector.push(np.zeros(512 * 4, np.int16))] == [False] * 4


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 24_000, 44_100, 48_000])
def test_a_frame_says_when_its_audio_was_received_also_after_ten_minutes(rate: int) -> None:
    detector = VoiceActivityDetector(DEFAULTS, rate, Judge(lambda samples: 0.0))
    quiet = np.zeros(rate * 10, np.int16)
    click = quiet.copy()
    click[rate * 7 + rate // 4] = 32_767
    for _ in range(60):
        detector.push(quiet)
    frames = detector.push(click)
    loudest = max(frames, key=lambda frame: np.abs(frame.samples).max())
    at = loudest.start + np.argmax(np.abs(loudest.samples)) / 16_000
    assert at == pytest.approx(607.25, abs=0.0001)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_a_frame_comes_as_soon_as_its_audio_is_complete(rate: int) -> None:
    detector = VoiceActivityDetector(DEFAULTS, rate, Judge(lambda samples: 0.0))
    step = rate // 1_000
    for number in range(1, 1_000):
        for frame in detector.push(np.zeros(step, np.int16)):
            assert number / 1_000 - (frame.start + FRAME_S) <= 0.0051


def test_after_a_reset_time_continues_and_a_partial_frame_is_dropped() -> None:
    detector = VoiceActivityDetector(
        DEFAULTS, 8_000, Judge(lambda samples: float(np.abs(samples).max() > 0))
    )
    detector.push(np.full(8_100, 9_000, np.int16))
    detector.reset(48_000)
    frames = detector.push(np.zeros(48_000, np.int16))
    assert frames[0].start == pytest.approx(8_100 / 8_000)
    assert [frame.start - frames[0].start for frame in frames] == pytest.approx(
        [number * FRAME_S for number in range(len(frames))]
    )
    assert not any(frame.speech for frame in frames)


def test_two_streams_at_once_are_judged_as_each_alone() -> None:
    one, two = pcm(recording("roll_a_dice")), pcm(recording("what_time_is_it_in_tokyo"))
    length = min(len(one), len(two))
    first, second = VoiceActivityDetector(DEFAULTS, 16_000), VoiceActivityDetector(DEFAULTS, 16_000)
    together: tuple[list[Frame], list[Frame]] = ([], [])
    for at in range(0, length, 320):
        together[0].extend(first.push(one[at : at + 320]))
        together[1].extend(second.push(two[at : at + 320]))
    for frames, samples in zip(together, (one, two), strict=True):
        alone = detected(samples[: -(-length // 320) * 320])
        assert [f.speech for f in frames] == [f.speech for f in alone[: len(frames)]]


def test_an_unsupported_sample_rate_is_refused_in_words() -> None:
    with pytest.raises(AudioError, match="a sample rate of 0 Hz"):
        VoiceActivityDetector(DEFAULTS, 0)


def test_importing_the_detector_loads_no_network() -> None:
    code = (
        "import sys, assistant.live.vad.frames\n"
        "print([name for name in sys.modules if 'onnx' in name or 'pysilero' in name])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
