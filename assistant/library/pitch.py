"""Pitch of a voice, frame by frame: the YIN method, for all frames of a clip at once.

A. de Cheveigné, H. Kawahara: "YIN, a fundamental frequency estimator for speech and music",
J. Acoust. Soc. Am. 111 (4), 2002. The steps are those of the paper's section II, numbers 2 to 5;
the autocorrelation behind the difference function is taken with the FFT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assistant.audio.samples import Audio, Float32

RATE = 8_000
"""Pitch lies far below 4 kHz, and half the samples take half the time."""
LOWEST_HZ, HIGHEST_HZ = 50.0, 600.0
FRAMES_PER_S = 100
_THRESHOLD = 0.15
"""The first dip of the normalized difference below this is the period (the paper: 0.1)."""
_VOICED = 0.35
"""The depth of a dip that a frame needs to have a pitch."""

_SILENCE = 1e-9  # mean square: 90 dB below full scale

_LONGEST = int(RATE / LOWEST_HZ)  # samples of the longest period
_SHORTEST = int(RATE / HIGHEST_HZ)
_WINDOW = 256  # samples that are compared with those one period later
_FFT = 512  # at least _WINDOW + _LONGEST, so that the correlation doesn't wrap


@dataclass(frozen=True, slots=True, eq=False)
class PitchTrack:
    """The pitch of each frame, FRAMES_PER_S per second: `hz`, shape (n,), 0.0 for frames without
    one.

    `aperiodicity`, shape (n,): 0 for a perfectly periodic frame, about 1 for noise.
    """

    hz: Float32
    aperiodicity: Float32

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        return self.hz > 0.0


def track_pitch(audio: Audio) -> PitchTrack:
    """Returns the pitch of each frame. Audio that is shorter than a frame has none."""
    frames = _frames(audio.resampled(RATE).samples)  # (n, _WINDOW + _LONGEST)
    difference = _normalized_difference(frames)  # (n, _LONGEST)
    period, depth = _first_dip(difference)
    best = (frames**2).mean(axis=1) > _SILENCE  # rounding errors have periods too
    hz = np.where((depth < _VOICED) & best, RATE / period, 0.0)
    return PitchTrack(_without_jumps(hz).astype(np.float32), depth.astype(np.float32))


def _frames(samples: Float32) -> npt.NDArray[np.float64]:
    length, hop = _WINDOW + _LONGEST, RATE // FRAMES_PER_S
    if len(samples) < length:
        return np.zeros((0, length))
    windows = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
    return np.asarray(windows - windows.mean(axis=1, keepdims=True, dtype=np.float64))


def _normalized_difference(frames: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The paper's equations 6 and 8: d'(lag) of shape (n, _LONGEST); d'(0) = 1."""
    start = np.fft.rfft(frames[:, :_WINDOW], _FFT)
    whole = np.fft.rfft(frames, _FFT)
    correlation = np.fft.irfft(whole * start.conj(), _FFT)[:, :_LONGEST]
    energy = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    moving = energy[:, _WINDOW : _WINDOW + _LONGEST] - energy[:, :_LONGEST]
    difference = np.maximum(moving[:, :1] + moving - 2.0 * correlation, 0.0)
    lags = np.arange(1, _LONGEST)
    sums = np.maximum(np.cumsum(difference[:, 1:], axis=1), 1e-12)
    return np.hstack([np.ones((len(frames), 1)), difference[:, 1:] * lags / sums])


def _first_dip(
    difference: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Period in samples (between them, by a parabola) and depth of the dip, each of shape (n,)."""
    inner = difference[:, _SHORTEST:-1]
    left, right = difference[:, _SHORTEST - 1 : -2], difference[:, _SHORTEST + 1 :]
    dips = (inner <= left) & (inner < right)
    values = np.where(dips, inner, np.inf)
    low = values < _THRESHOLD
    # No dip below the threshold: the deepest one, as in the paper.
    best = np.where(low.any(axis=1), low.argmax(axis=1), values.argmin(axis=1))
    rows = np.arange(len(difference))
    a, b, c = left[rows, best], inner[rows, best], right[rows, best]
    bend = a - 2.0 * b + c
    shift = np.where(bend > 1e-9, 0.5 * (a - c) / np.maximum(bend, 1e-9), 0.0)
    depth = np.minimum(values[rows, best], 1.0)
    return _SHORTEST + best + np.clip(shift, -0.5, 0.5), depth


def _without_jumps(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Frames far from the clip's own median are octave errors of breath and noise: unvoiced."""
    voiced = hz > 0.0
    if not voiced.any():
        return hz
    away = np.abs(np.log2(np.where(voiced, hz, 1.0) / np.median(hz[voiced])))
    return np.where(voiced & (away < 1.2), hz, 0.0)
