"""Cuts audio into pieces for the audio encoder, and counts the positions that they take."""

from __future__ import annotations

from torch import Tensor

from assistant.audio.samples import Float32
from assistant.engines.nn.mel import HOP, SAMPLE_RATE, log_mel

PIECE_S = 25
"""The length of a piece, in seconds; longer audio is encoded piece by piece."""
END_PADDING = 479  # zeros after the audio


def pieces(samples: Float32) -> list[Float32]:
    """Audio of shape (n,) in pieces of 25 s; the last is shorter."""
    length = PIECE_S * SAMPLE_RATE
    return [samples[start : start + length] for start in range(0, len(samples), length)]


def frame_count(sample_count: int) -> int:
    """Returns the number of frames in the log-mel of that number of samples."""
    return (sample_count + END_PADDING) // HOP


def patch_count(sample_count: int, *, kernel_size: int = 3, stride: int = 2) -> int:
    """Returns the positions that the samples take in the language model: 12.5 per second."""
    played = frame_count(sample_count) - 2  # the length that the encoder gets
    pooled = (played + 1) // 2 // 2  # its second convolution, then mean pooling
    return max(0, (pooled + 2 - kernel_size) // stride + 1)


def encoder_log_mel(samples: Float32 | Tensor, n_mels: int = 128) -> Tensor:
    """Returns the log-mel spectrogram for the audio encoder: (n,) at 16 kHz to (n_mels, frames)."""
    return log_mel(samples, n_mels, end_padding=END_PADDING)
