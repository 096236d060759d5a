from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from assistant.audio.samples import Audio
from assistant.library import describe, measure
from assistant.library.measure import speech_problem

Clip = Callable[[str], Audio]
RATE = 16_000


def harmonic(hz: float, rate: int = RATE) -> Audio:
    time = np.arange(rate * 2) / rate
    wave = sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 12))
    return Audio((0.2 * np.asarray(wave)).astype(np.float32), rate)


@pytest.mark.parametrize("hz", [70, 95, 120, 165, 210, 300, 450])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_the_pitch_of_a_known_tone_is_found_within_one_percent(hz: float, rate: int) -> None:
    assert measure(harmonic(hz, rate)).pitch_hz == pytest.approx(hz, rel=0.01)


def test_a_rumble_below_a_voice_does_not_hide_its_pitch(clip: Clip) -> None:
    pcm = clip("slt")
    time = np.arange(len(pcm.samples)) / pcm.sample_rate
    rumble = 0.02 * np.sin(2 * np.pi * 30 * time)
    noisy = Audio((pcm.samples + rumble).astype(np.float32), pcm.sample_rate)
    assert measure(noisy).pitch_hz == pytest.approx(measure(pcm).pitch_hz, rel=0.05)


def test_the_loudness_of_a_full_scale_sine_is_3_db_below_full_scale() -> None:
    wave = np.sin(2 * np.pi * 200 * np.arange(RATE * 2) / RATE).astype(np.float32)
    assert measure(Audio(wave, RATE)).loudness_db == pytest.approx(-3.0, abs=0.1)


def test_a_softer_recording_differs_only_in_loudness(clip: Clip) -> None:
    loud = clip("rms")
    soft = Audio(loud.samples * np.float32(0.1), loud.sample_rate)
    one, other = measure(loud), measure(soft)
    assert one.loudness_db - other.loudness_db == pytest.approx(20.0, abs=0.2)
    assert other.pitch_hz == pytest.approx(one.pitch_hz, rel=0.02)
    assert other.brightness_hz == pytest.approx(one.brightness_hz, rel=0.05)


def test_a_voice_at_double_speed_has_twice_the_pitch_and_about_twice_the_pace(
    clip: Clip,
) -> None:
    slow = clip("rms")
    fast = Audio(slow.samples[::2].copy(), slow.sample_rate)
    one, other = measure(slow), measure(fast)
    assert other.pitch_hz == pytest.approx(2 * one.pitch_hz, rel=0.03)
    assert 1.5 < other.syllables_per_s / one.syllables_per_s < 2.5


@pytest.mark.parametrize(
    ("voice", "syllables"),
    # Syllables counted in the transcripts.
    [("awb", 16), ("rms", 14), ("slt", 18), ("child", 13), ("ming", 15), ("grandma", 13)],
)
def test_the_number_of_counted_syllables_is_close_to_the_number_spoken(
    clip: Clip, voice: str, syllables: int
) -> None:
    pcm = clip(voice)
    # The pace leaves out pauses, so that the whole length bounds the count from above.
    found = measure(pcm).syllables_per_s * pcm.seconds
    assert 0.7 * syllables < found < 1.5 * syllables


def test_a_whisper_has_no_pitch(clip: Clip) -> None:
    traits = measure(clip("whisper"))
    assert traits.pitch_hz == 0.0
    assert describe(traits).startswith("whispering voice")


@pytest.mark.parametrize(
    ("voice", "english", "chinese"),
    [
        ("giant", "deep slow male voice", "低沉的缓慢的男声"),
        ("awb", "male voice", "男声"),
        ("belinda", "high fast female voice", "高音的快速的女声"),
        ("mei", "female voice", "女声"),
    ],
)
def test_a_measured_voice_is_described_in_words(
    clip: Clip, voice: str, english: str, chinese: str
) -> None:
    traits = measure(clip(voice))
    assert describe(traits) == english
    assert describe(traits, "zh-CN") == chinese


VOICES = ["awb", "belinda", "child", "croak", "giant", "grandma", "kal", "mei", "ming"]


@pytest.mark.parametrize("voice", [*VOICES, "rms", "robot", "slt", "whisper"])
def test_every_bundled_voice_is_speech(clip: Clip, voice: str) -> None:
    assert speech_problem(clip(voice)) == ""


def test_noise_tones_and_music_are_not_speech(no_speech: Audio) -> None:
    assert speech_problem(no_speech).startswith("not speech")


@pytest.mark.parametrize("voice", ["awb", "belinda", "ming"])
def test_a_recording_with_some_noise_is_still_speech(clip: Clip, voice: str) -> None:
    pcm = clip(voice)
    noise = np.random.default_rng(0).normal(0.0, 0.01, len(pcm.samples))  # 20 dB below
    assert speech_problem(Audio((pcm.samples + noise).astype(np.float32), RATE)) == ""


@pytest.mark.parametrize("length", [0, 1, 100, 700, 5_000])
def test_the_shortest_clips_can_be_measured(length: int) -> None:
    pcm = Audio(np.full(length, 0.1, dtype=np.float32), RATE)
    assert measure(pcm).pitch_hz == 0.0
    assert speech_problem(pcm)
