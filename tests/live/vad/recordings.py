"""Speech and other audio for tests: recordings of people, and synthetic noises.

Recordings lie in examples/, and more of them in a folder beside the repository if it exists.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio, Pcm16
from assistant.config import LiveSettings
from assistant.live.vad.frames import FRAME_S, Frame, VoiceActivityDetector

REPOSITORY = Path(__file__).parents[2].parent
BESIDE = REPOSITORY.parent / "shared" / "audio"
NAMES = (
    "roll_a_dice",
    "speak_in_a_deep_male_voice",
    "what_time_is_it_in_tokyo",
    "default_female",
    "default_male",
    "give_me_a_brief_introduction_to_the_great_wall",
    "zh_multi_turn_round1",
    "zh_multi_turn_round2",
    "zh_shanghai_index_opening_price",
)
Signal = npt.NDArray[np.float64]
"""Samples at 16 kHz or another rate; 1.0 is full scale."""
DEFAULTS = LiveSettings()


def recording(name: str, sample_rate: int = 16_000) -> Signal:
    """Skips the test if the recording does not exist."""
    for folder in (REPOSITORY / "examples", BESIDE):
        if (folder / f"{name}.wav").is_file():
            clip = read_audio(folder / f"{name}.wav", max_seconds=60.0).resampled(sample_rate)
            return clip.samples.astype(np.float64)
    pytest.skip(f"{name}.wav is not in {BESIDE}")


def pcm(signal: Signal) -> Pcm16:
    return Audio(signal.astype(np.float32), 1).to_pcm16()


def silence(seconds: float, sample_rate: int = 16_000) -> Signal:
    return np.zeros(int(seconds * sample_rate))


def loudness(signal: Signal) -> float:
    """RMS of the parts that are not pauses."""
    return float(np.sqrt(np.mean(signal[np.abs(signal) > 0.01] ** 2)))


def speech_edges(signal: Signal, sample_rate: int = 16_000) -> tuple[float, float]:
    """Seconds at which the energy first and last is within 25 dB of the loud parts, for 20 ms."""
    size = sample_rate // 100
    parts = signal[: len(signal) // size * size].reshape(-1, size)
    level = 10.0 * np.log10((parts**2).mean(axis=1) + 1e-12)
    loud = level > np.percentile(level, 95) - 25.0
    both = np.flatnonzero(loud[:-1] & loud[1:])
    return both[0] * 0.01, (both[-1] + 2) * 0.01


def white(seconds: float, seed: int = 0) -> Signal:
    """Noises have an RMS of 1 and are at 16 kHz."""
    return np.random.default_rng(seed).standard_normal(int(seconds * 16_000))


def pink(seconds: float, seed: int = 0) -> Signal:
    spectrum = np.fft.rfft(white(seconds, seed))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)))
    return np.asarray(noise / noise.std())


def traffic(seconds: float, seed: int = 0) -> Signal:
    """Pink noise that swells and fades by 20 dB, some times a second."""
    knots = np.random.default_rng(seed).uniform(-15.0, 5.0, int(seconds * 3) + 2)
    count = int(seconds * 16_000)
    swell = 10 ** (np.interp(np.arange(count) / 16_000 * 3, np.arange(len(knots)), knots) / 20)
    noise = pink(seconds, seed)[:count]
    swelling = noise * swell[: len(noise)]
    return np.asarray(swelling / swelling.std())


def hum(seconds: float, seed: int = 0) -> Signal:
    """The mains, with harmonics up to 650 Hz."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    wave = sum(np.sin(2 * np.pi * 50 * k * time + seed + k) / k for k in (1, 2, 3, 5, 7, 13))
    return np.asarray(wave / np.std(wave))


def tones(seconds: float, seed: int = 0) -> Signal:
    """Chords of plucked notes, up to eight a second, without a rest."""
    random = np.random.default_rng(seed)
    notes = np.zeros(int(seconds * 16_000))
    at = 0
    while at < len(notes):
        length = min(int(random.choice([2_000, 4_000, 8_000])), len(notes) - at)
        time = np.arange(length) / 16_000
        envelope = np.exp(-4.0 * time) * np.minimum(1.0, 100.0 * time)
        for _ in range(random.integers(1, 4)):
            pitch = 2 * np.pi * 220.0 * 2 ** (random.integers(0, 24) / 12)
            wave = sum(np.sin(pitch * k * time) / k**1.5 for k in range(1, 6))
            notes[at : at + length] += wave * envelope
        at += length
    return np.asarray(notes / notes.std())


def babble(seconds: float, seed: int = 0) -> Signal:
    """Twelve voices at once, backwards, from the recordings in examples/."""
    random = np.random.default_rng(seed)
    voices = np.concatenate([recording(name) for name in NAMES[:3]])[::-1]
    repeated = np.tile(voices, int(seconds * 16_000 / len(voices)) + 2)
    length = int(seconds * 16_000)
    starts = random.integers(0, len(repeated) - length, 12)
    noise = np.sum([repeated[start : start + length] for start in starts], axis=0)
    return np.asarray(noise / noise.std())


def detected(
    samples: Pcm16, rate: int = 16_000, detector: VoiceActivityDetector | None = None
) -> list[Frame]:
    """Returns the frames of samples that come in packets of 20 ms, as from a microphone."""
    detector = detector or VoiceActivityDetector(DEFAULTS, rate)
    size = rate // 50
    packets = (samples[at : at + size] for at in range(0, len(samples), size))
    return [frame for packet in packets for frame in detector.push(packet)]


def runs(frames: Sequence[Frame]) -> list[tuple[bool, float, float]]:
    """Returns runs of speech or pause, with start and end in seconds."""
    grouped = itertools.groupby(frames, key=lambda frame: frame.speech)
    found = []
    for speech, members in grouped:
        listed = list(members)
        found.append((speech, listed[0].start, listed[-1].start + FRAME_S))
    return found


def turns(frames: Sequence[Frame]) -> list[tuple[float, float]]:
    """Returns the runs of speech that are long enough by the default settings."""
    shortest = DEFAULTS.min_speech_ms / 1_000
    return [
        (begin, end) for speech, begin, end in runs(frames) if speech and end - begin >= shortest
    ]


def noisy(noise: Callable[[float], Signal], ratio_db: float = 15.0) -> Callable[[Signal], Signal]:
    def add(signal: Signal) -> Signal:
        level = loudness(signal) * 10 ** (-ratio_db / 20)
        return signal + level * noise(len(signal) / 16_000 + 0.1)[: len(signal)]

    return add
