"""Audio to log-mel spectrogram, as Step-Audio 2 hears it.

The recipe is that of Whisper's large models (Radford et al., 2022): 16 kHz, windows of 25 ms every
10 ms, 128 mel bands on Slaney's scale, logarithm, eight decades of range.
"""

from __future__ import annotations

from torch import Tensor

from assistant.audio.samples import Float32
from assistant.engines.nn.mel import HOP, SAMPLE_RATE, log_mel

PIECE_S = 25
"""Longer sound is heard in pieces of so many seconds."""
END_PADDING = 479  # zeros after the sound


def pieces(samples: Float32) -> list[Float32]:
    """Audio of shape (n,) in pieces of 25 s; the last is shorter."""
    length = PIECE_S * SAMPLE_RATE
    return [samples[start : start + length] for start in range(0, len(samples), length)]


def frame_count(sample_count: int) -> int:
    """Frames of the log-mel of so many samples."""
    return (sample_count + END_PADDING) // HOP


def patch_count(sample_count: int, *, kernel_size: int = 3, stride: int = 2) -> int:
    """Positions that so many samples take in the language model: 12.5 a second."""
    heard = frame_count(sample_count) - 2  # what the encoder is told
    pooled = (heard + 1) // 2 // 2  # its second convolution, then mean pooling
    return max(0, (pooled + 2 - kernel_size) // stride + 1)


def encoder_log_mel(samples: Float32 | Tensor, n_mels: int = 128) -> Tensor:
    """Returns the log-mel spectrogram for the audio encoder: (n,) at 16 kHz to (n_mels, frames)."""
    return log_mel(samples, n_mels, end_padding=END_PADDING)
