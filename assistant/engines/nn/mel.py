"""Mel spectrograms: Whisper's log-mel, and the triangular filters on Slaney's mel scale."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assistant.audio.samples import Float32

SAMPLE_RATE = 16_000
"""Whisper's input, in Hz."""
WINDOW, HOP = 400, 160
"""Whisper's windows of 25 ms every 10 ms, in samples."""


def log_mel(samples: Float32 | Tensor, n_mels: int = 128, *, end_padding: int = 0) -> Tensor:
    """Returns the log-mel spectrogram of mono audio at 16 kHz: (n,) to (n_mels, frames), float32.

    `end_padding` zeros are appended first. The recipe is that of Whisper's large models (Radford et
    al., 2022): logarithm of 128 mel bands, eight decades of range.
    """
    wave = torch.nn.functional.pad(torch.as_tensor(samples, dtype=torch.float32), (0, end_padding))
    window = torch.hann_window(WINDOW, device=wave.device)
    spectrum = torch.stft(wave, WINDOW, HOP, window=window, return_complex=True)
    power = spectrum[:, :-1].abs() ** 2
    bands = torch.from_numpy(mel_filters(n_mels)).to(wave.device) @ power
    decades = bands.clamp(min=1e-10).log10()
    return (torch.maximum(decades, decades.max() - 8.0) + 4.0) / 4.0


@lru_cache(maxsize=4)
def mel_filters(
    n_mels: int,
    *,
    n_fft: int = WINDOW,
    sample_rate: int = SAMPLE_RATE,
    highest_hz: float | None = None,
) -> npt.NDArray[np.float32]:
    """Returns triangles of equal area on Slaney's mel scale, (n_mels, n_fft // 2 + 1).

    They reach from 0 to `highest_hz`, by default half of the sample rate. Source: M. Slaney,
    Auditory Toolbox (1998); linear below 1 kHz, logarithmic above.
    """
    highest = sample_rate / 2 if highest_hz is None else highest_hz
    frequencies = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(highest), n_mels + 2))
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (edges[2:] - edges[:-2])
    return (triangles * area[:, None]).astype(np.float32)


_LINEAR_HZ = 200.0 / 3.0  # width of a mel below 1 kHz
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0  # width of a mel above it, in the logarithm


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    high = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, high)
