"""Decodes audio files (WAV, FLAC, OGG, MP3 ...) to mono float32, up to a maximum length."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile

from assistant.audio.samples import Audio
from assistant.errors import AudioError


def read_audio(source: Path | IO[bytes], *, max_seconds: float) -> Audio:
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


def _checked(name: str, samples: npt.NDArray[Any], sample_rate: int) -> Audio:
    if not len(samples):
        raise AudioError(f"{name}: the file is empty")
    mono = samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise AudioError(f"{name}: samples that are no numbers (NaN or infinite)")
    return Audio(np.clip(mono, -1.0, 1.0), sample_rate)
