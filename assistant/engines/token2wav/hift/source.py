"""The source signal: a sine and its harmonics for voiced frames, noise for the others.

Neural source-filter model (arXiv:1904.12088). A stream continues exactly: the phase at its first
frame is an argument, and the noise is taken from a fixed buffer by the frame's number.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from assistant.audio.samples import OUTPUT_RATE

SAMPLES_A_FRAME = 480
_AMPLITUDE = 0.1
_NOISE = 0.003
_VOICED_HZ = 10.0
_NOISE_FRAMES = 500


class Source(nn.Module):
    noise: Tensor

    def __init__(self, harmonics: int) -> None:
        super().__init__()
        self.count = harmonics + 1
        self.l_linear = nn.Linear(self.count, 1)
        self.register_buffer("noise", _fixed_noise(self.count), persistent=False)

    def forward(
        self, f0: Tensor, start: Tensor | None = None, first_frames: Tensor | None = None
    ) -> Tensor:
        """Hertz (batch, frames) -> samples (batch, 1, frames * 480).

        start: turns of each harmonic before the first frame, (batch, harmonics); first_frames:
        the first frame's number in its stream, (batch,). Without the number there is no noise.
        """
        turns = self.turns(f0)  # (batch, frames, harmonics) a sample
        # The order of the operations is the reference's: phases grow large enough to be rounded.
        phase = torch.cumsum(turns, dim=1) * 2 * math.pi
        phase = phase.transpose(1, 2) * SAMPLES_A_FRAME
        phase = functional.interpolate(phase, scale_factor=float(SAMPLES_A_FRAME), mode="linear")
        if start is not None:
            phase = phase + (start * 2 * math.pi)[:, :, None]
        voiced = (f0 > _VOICED_HZ).to(f0).repeat_interleave(SAMPLES_A_FRAME, dim=1)[:, None]
        waves = torch.sin(phase).mul_(_AMPLITUDE).mul_(voiced)
        if first_frames is not None:
            loud = voiced * _NOISE + (1 - voiced) * (_AMPLITUDE / 3)
            waves = waves.addcmul_(self._noise_at(first_frames, f0.shape[1]), loud)
        return torch.tanh(self.l_linear(waves.transpose(1, 2))).transpose(1, 2)

    def turns(self, f0: Tensor) -> Tensor:
        """Returns the phase of each harmonic, for each sample of a frame: (batch, frames,
        harmonics).
        """
        multiples = torch.arange(1, self.count + 1, device=f0.device, dtype=f0.dtype)
        return (f0[:, :, None] * multiples / OUTPUT_RATE) % 1

    def _noise_at(self, first_frames: Tensor, frames: int) -> Tensor:
        """(batch, harmonics, samples); beyond its end the buffer starts again."""
        index = first_frames[:, None] + torch.arange(frames, device=first_frames.device)
        noise = self.noise[index % _NOISE_FRAMES]  # (batch, frames, harmonics, samples)
        return noise.transpose(1, 2).flatten(2)


def _fixed_noise(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(_NOISE_FRAMES, count, SAMPLES_A_FRAME, generator=generator)
