"""The spectrum of audio, frame by frame: power and mel bands, the base of all measures here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from assistant.audio.samples import Audio, Float32

RATE = 16_000
FRAMES_PER_S = 100
MEL_BANDS = 40
_FFT = 512  # 32 ms
_LOWEST_HZ, _HIGHEST_HZ = 80.0, 7_600.0
_ACTIVE_DB = 30.0
"""Frames further than this below the loud ones are pauses."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """`power` of shape (n, 257): of each frame, by frequency, 0 to 8 kHz."""

    power: Float32

    @cached_property
    def loudness_db(self) -> Float32:
        """The RMS of each frame relative to full scale, in dB, shape (n,)."""
        # Parseval, with the window's own energy taken out.
        total = self.power.sum(axis=1) * 2.0 / (_FFT * (_window() ** 2).sum())
        return np.asarray(10.0 * np.log10(np.maximum(total, 1e-12)), dtype=np.float32)

    @cached_property
    def active(self) -> npt.NDArray[np.bool_]:
        """True for each frame that is no pause, shape (n,)."""
        if not len(self.power):
            return np.zeros(0, dtype=np.bool_)
        loud = np.percentile(self.loudness_db, 95)
        return np.asarray(self.loudness_db > max(loud - _ACTIVE_DB, -85.0))

    @cached_property
    def log_mel(self) -> Float32:
        """The natural logarithm of the mel power over the clip's own noise floor, shape (n,
        MEL_BANDS).

        Power that is 45 dB below the clip's mean is taken as equal: a recording has its noise
        there, and a compressed one nothing, which would differ more than voices do.
        """
        bands = self.power @ _mel_filters()
        floor = 10.0**-4.5 * max(float(bands.mean()), 1e-9)
        return np.asarray(np.log(bands + floor), dtype=np.float32)

    @cached_property
    def centroid_hz(self) -> Float32:
        """The spectrum's center of gravity in each frame, shape (n,)."""
        magnitude = np.sqrt(self.power)
        return np.asarray(
            magnitude @ frequencies() / np.maximum(magnitude.sum(axis=1), 1e-9), dtype=np.float32
        )


def spectrum_of(audio: Audio) -> Spectrum:
    """Returns the spectrum. Audio that is shorter than a frame is one frame,
    padded with silence.
    """
    samples = audio.resampled(RATE).samples
    if len(samples):
        samples = samples - samples.mean()  # some audio interfaces add an offset
    samples = np.pad(samples, (0, max(0, _FFT - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[:: RATE // FRAMES_PER_S]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    return Spectrum((spectrum.real**2 + spectrum.imag**2).astype(np.float32))


@lru_cache(maxsize=1)
def frequencies() -> Float32:
    return np.fft.rfftfreq(_FFT, 1.0 / RATE).astype(np.float32)


@lru_cache(maxsize=1)
def _window() -> Float32:
    return np.hanning(_FFT).astype(np.float32)


@lru_cache(maxsize=1)
def _mel_filters() -> Float32:
    """Triangles on the mel scale of O'Shaughnessy (1987), shape (257, MEL_BANDS)."""

    def mel(hz: float) -> float:
        return float(2595.0 * np.log10(1.0 + hz / 700.0))

    corners = np.linspace(mel(_LOWEST_HZ), mel(_HIGHEST_HZ), MEL_BANDS + 2)
    hz = 700.0 * (10.0 ** (corners / 2595.0) - 1.0)
    below, peak, above = hz[:-2], hz[1:-1], hz[2:]
    bins = frequencies()[:, None]
    rising, falling = (bins - below) / (peak - below), (above - bins) / (above - peak)
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
