"""Clips and folders for the library's tests: the bundled clips, and synthetic noises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.config import bundled
from assistant.library import VoiceLibrary

RATE = 16_000
Samples = npt.NDArray[np.float64]


def seconds(duration: float) -> Samples:
    return np.arange(int(RATE * duration)) / RATE


def white_noise() -> Samples:
    return np.random.default_rng(0).normal(0.0, 0.1, RATE * 3)


def throbbing_noise() -> Samples:
    return white_noise() * (1.0 + np.sin(2 * np.pi * 4 * seconds(3))) / 2


def tone() -> Samples:
    return 0.3 * np.sin(2 * np.pi * 440 * seconds(3))


def siren() -> Samples:
    sweep = 700 + 400 * np.sin(2 * np.pi * 0.7 * seconds(3))
    return 0.3 * np.sin(2 * np.pi * np.cumsum(sweep) / RATE)


def note(midi: int, duration: float) -> Samples:
    """Harmonics that fade away, as on a piano."""
    time, hz = seconds(duration), 440 * 2 ** ((midi - 69) / 12)
    wave = sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 9))
    return np.asarray(wave) * np.minimum(time / 0.02, 1) * np.exp(-time / 0.4)


def melody() -> Samples:
    tune = np.concatenate([note(m, 0.33) for m in (60, 64, 67, 72, 71, 67, 64, 62, 60)])
    return 0.4 * tune / np.abs(tune).max()


def chords() -> Samples:
    triads = ((60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62))
    tune = np.concatenate([sum(note(m, 0.8) for m in triad) for triad in triads])
    return 0.4 * tune / np.abs(tune).max()


def drums() -> Samples:
    noise, beat = np.random.default_rng(1), np.zeros(RATE * 4)
    time = np.arange(3_000)
    for k in range(16):
        hit = np.sin(2 * np.pi * 60 * time / RATE) if k % 2 == 0 else noise.normal(0, 1, 3_000)
        beat[k * RATE // 4 : k * RATE // 4 + 3_000] += hit * np.exp(-time / 800)
    return 0.5 * beat / np.abs(beat).max()


NO_SPEECH: dict[str, Callable[[], Samples]] = {
    make.__name__: make
    for make in (white_noise, throbbing_noise, tone, siren, melody, chords, drums)
}


@pytest.fixture(params=sorted(NO_SPEECH))
def no_speech(request: pytest.FixtureRequest) -> Audio:
    return Audio(NO_SPEECH[request.param]().astype(np.float32), RATE)


@pytest.fixture
def bundled_folder() -> Path:
    return bundled("voices")


@pytest.fixture
def clip(bundled_folder: Path) -> Callable[[str], Audio]:
    """A bundled clip by its id."""
    return lambda name: read_audio(bundled_folder / f"{name}.wav", max_seconds=60.0)


@pytest.fixture
def library(tmp_path: Path, bundled_folder: Path) -> VoiceLibrary:
    return VoiceLibrary(tmp_path / "voices", bundled=bundled_folder)


@pytest.fixture
def empty_library(tmp_path: Path) -> VoiceLibrary:
    return VoiceLibrary(tmp_path / "voices")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, npt.NDArray[np.floating]], Path]:
    """Writes a WAV file into the test's own folder."""

    def write_file(name: str, samples: npt.NDArray[np.floating]) -> Path:
        path = tmp_path / "sources" / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, samples, RATE, subtype="FLOAT")
        return path

    return write_file
