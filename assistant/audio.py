"""Sound and voices: the values that every part passes around, and reading and writing of files."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from assistant.errors import AudioError

OUTPUT_RATE = 24_000
"""Samples a second of everything an engine speaks: mono, 16 bit."""

DEFAULT_VOICE = "default"
"""The id of the voice that a session starts with and goes back to."""

Pcm16 = npt.NDArray[np.int16]
"""Samples of shape (n,), mono; at OUTPUT_RATE unless said otherwise."""
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Mono sound: `samples` of shape (n,), float32 within [-1, 1], at `sample_rate` a second."""

    samples: Float32
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def resampled(self, sample_rate: int) -> Sound:
        """The same sound at another rate (soxr, high quality)."""
        if sample_rate == self.sample_rate:
            return self
        samples = soxr.resample(self.samples, self.sample_rate, sample_rate)
        return Sound(np.ascontiguousarray(samples, dtype=np.float32), sample_rate)

    def to_pcm16(self) -> Pcm16:
        scaled = np.round(self.samples * np.float32(32768.0))
        pcm: Pcm16 = np.clip(scaled, -32768.0, 32767.0).astype(np.int16)
        return pcm

    @classmethod
    def from_pcm16(cls, samples: Pcm16, sample_rate: int = OUTPUT_RATE) -> Sound:
        return cls(samples.astype(np.float32) / 32768.0, sample_rate)


@dataclass(frozen=True, slots=True)
class VoiceTraits:
    """What was measured of a voice."""

    pitch_hz: float  # median fundamental frequency
    pitch_range_semitones: float  # from the 10th to the 90th percentile
    syllables_per_s: float
    loudness_db: float  # RMS of the speech, relative to full scale
    brightness_hz: float  # spectral centroid of the speech


@dataclass(frozen=True, slots=True)
class Voice:
    """A timbre to speak in: a clip of the library, or the engine's own normal voice (no path)."""

    id: str = DEFAULT_VOICE
    path: Path | None = None
    description: str = ""
    language: str = ""  # BCP 47, empty when unknown
    transcript: str = ""  # what is said in the clip
    traits: VoiceTraits | None = None


@dataclass(frozen=True, slots=True)
class VoiceMatch:
    """A voice that a search of the library found; `score` is 1.0 for a perfect match."""

    voice: Voice
    score: float


def read_sound(source: Path | IO[bytes], *, max_seconds: float) -> Sound:
    """Reads any file that soundfile reads, at any rate and channel count, as mono.

    Raises AudioError: no such file, not audio, empty, not finite, longer than `max_seconds`.
    The length is checked before anything is decoded.
    """
    name = str(source) if isinstance(source, Path) else "the audio"
    if isinstance(source, Path) and not source.is_file():
        what = "is a folder, not an audio file" if source.is_dir() else "no such file"
        raise AudioError(f"{name}: {what}")
    try:
        with soundfile.SoundFile(source) as file:
            _check_length(name, file, max_seconds)
            # A header may understate the length (pipes write 0 or none): never read past the limit.
            limit = int(max_seconds * file.samplerate)
            samples = file.read(frames=limit + 1, dtype="float32", always_2d=True)
            if len(samples) > limit:
                raise _too_long(name, None, max_seconds)
            return _checked(name, samples, file.samplerate)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{name}: not audio that can be read", hint=_formats(error)) from error


def _check_length(name: str, file: Any, max_seconds: float) -> None:
    seconds = file.frames / file.samplerate
    if seconds > max_seconds:
        raise _too_long(name, seconds, max_seconds)


def _too_long(name: str, seconds: float | None, max_seconds: float) -> AudioError:
    length = "too long" if seconds is None else f"{seconds:.0f} seconds long"
    return AudioError(
        f"{name}: {length}; the limit is {max_seconds:.0f} seconds",
        hint="send a shorter recording, or raise max_audio_s in the settings",
    )


def _formats(error: Exception) -> str:
    return f"WAV, FLAC, OGG and MP3 files can be read; {str(error).rstrip('.')}"


def _checked(name: str, samples: npt.NDArray[Any], sample_rate: int) -> Sound:
    if not len(samples):
        raise AudioError(f"{name}: the file holds no sound")
    mono = samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise AudioError(f"{name}: samples that are no numbers (NaN or infinite)")
    return Sound(np.clip(mono, -1.0, 1.0), sample_rate)


def write_wav(target: Path | IO[bytes], chunks: Iterable[Pcm16], rate: int = OUTPUT_RATE) -> None:
    """Writes 16 bit mono WAV. Raises AudioError when the file can't be written."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for chunk in chunks:
            file.writeframes(chunk.astype("<i2", copy=False).tobytes())
    if not isinstance(target, Path):
        target.write(buffer.getvalue())
        return
    try:
        target.write_bytes(buffer.getvalue())
    except OSError as error:
        raise AudioError(f"{target}: can't be written: {error.strerror or error}") from error
