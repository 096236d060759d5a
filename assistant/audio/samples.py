"""Audio and voices: the values that every part passes around, and reading and writing of files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

OUTPUT_RATE = 24_000
"""The sample rate of everything that an engine speaks, in Hz: mono, 16 bit."""

Pcm16 = npt.NDArray[np.int16]
"""Samples of shape (n,), mono; at OUTPUT_RATE unless said otherwise."""
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Mono audio: `samples` of shape (n,), float32 within [-1, 1], at `sample_rate` Hz."""

    samples: Float32
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def resampled(self, sample_rate: int) -> Audio:
        """Returns the same audio at another sample rate (soxr, high quality)."""
        if sample_rate == self.sample_rate:
            return self
        samples = soxr.resample(self.samples, self.sample_rate, sample_rate)
        return Audio(np.ascontiguousarray(samples, dtype=np.float32), sample_rate)

    def to_pcm16(self) -> Pcm16:
        scaled = np.round(self.samples * np.float32(32768.0))
        pcm: Pcm16 = np.clip(scaled, -32768.0, 32767.0).astype(np.int16)
        return pcm

    @classmethod
    def from_pcm16(cls, samples: Pcm16, sample_rate: int = OUTPUT_RATE) -> Audio:
        return cls(samples.astype(np.float32) / 32768.0, sample_rate)
