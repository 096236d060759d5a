"""Audio to log-mel spectrogram, as Step-Audio 2 hears it.

The recipe is that of Whisper's large models (Radford et al., 2022): 16 kHz, windows of 25 ms every
10 ms, 128 mel bands on Slaney's scale, logarithm, eight decades of range.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assistant.audio.samples import Float32

SAMPLE_RATE = 16_000
PIECE_S = 25
"""Longer sound is heard in pieces of so many seconds."""
_WINDOW, _HOP = 400, 160
_END_PADDING = 479  # zeros after the sound


def pieces(samples: Float32) -> list[Float32]:
    """Audio of shape (n,) in pieces of 25 s; the last is shorter."""
    length = PIECE_S * SAMPLE_RATE
    return [samples[start : start + length] for start in range(0, len(samples), length)]


def frame_count(sample_count: int) -> int:
    """Frames of the log-mel of so many samples."""
    return (sample_count + _END_PADDING) // _HOP


def patch_count(sample_count: int, *, kernel_size: int = 3, stride: int = 2) -> int:
    """Positions that so many samples take in the language model: 12.5 a second."""
    heard = frame_count(sample_count) - 2  # what the encoder is told
    pooled = (heard + 1) // 2 // 2  # its second convolution, then mean pooling
    return max(0, (pooled + 2 - kernel_size) // stride + 1)


def log_mel(samples: Float32 | Tensor, n_mels: int = 128) -> Tensor:
    """Mono sound at 16 kHz, (n,), to its log-mel spectrogram, (n_mels, frames), float32."""
    wave = torch.as_tensor(samples, dtype=torch.float32)
    padded = torch.nn.functional.pad(wave, (0, _END_PADDING))
    window = torch.hann_window(_WINDOW, device=wave.device)
    spectrum = torch.stft(padded, _WINDOW, _HOP, window=window, return_complex=True)
    power = spectrum[:, :-1].abs() ** 2
    bands = torch.from_numpy(mel_filters(n_mels)).to(wave.device) @ power
    decades = bands.clamp(min=1e-10).log10()
    return (torch.maximum(decades, decades.max() - 8.0) + 4.0) / 4.0


@lru_cache(maxsize=4)
def mel_filters(
    n_mels: int, *, n_fft: int = _WINDOW, sample_rate: int = SAMPLE_RATE
) -> npt.NDArray[np.float32]:
    """Triangles of equal area on Slaney's mel scale, (n_mels, n_fft // 2 + 1).

    Source: M. Slaney, Auditory Toolbox (1998); linear below 1 kHz, logarithmic above.
    """
    frequencies = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(sample_rate / 2), n_mels + 2))
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (edges[2:] - edges[:-2])
    return (triangles * area[:, None]).astype(np.float32)


_LINEAR_HZ = 200.0 / 3.0  # width of a mel below 1 kHz
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0  # a mel above it, as a step of the logarithm


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    high = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, high)
