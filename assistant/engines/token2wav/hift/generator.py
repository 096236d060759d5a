"""HiFTNet (arXiv:2309.09493): a source of harmonics, filtered by the mel frames.

The mel frames are upsampled 8 x 5 x 3 times; at each level the source's spectrum is added. The
result is a spectrum of 16 points every 4 samples, which an inverse transform turns into audio.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from assistant.engines.nn.cuda_graphs import Captured, Graphs, Recordings
from assistant.engines.token2wav.hift.source import SAMPLES_A_FRAME, Source

_RATES = (8, 5, 3)
_UP_KERNELS = (16, 11, 7)
_KERNELS = (3, 7, 11)
_SOURCE_KERNELS = (7, 7, 11)
_N_FFT, _HOP = 16, 4
_BINS = _N_FFT // 2 + 1
_SLOPE = 0.1
_LIMIT = 0.99


@dataclass(frozen=True, slots=True)
class HiftShape:
    """Defaults are those of Step-Audio 2; the other sizes are the same in all checkpoints."""

    mel: int = 80
    channels: int = 512  # after the first convolution; each level has half of the one before
    f0_channels: int = 512
    harmonics: int = 8

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> HiftShape:
        """Derives the sizes from the parameters' names and shapes. Raises KeyError if one is
        missing.
        """
        channels, mel, _ = shapes["conv_pre.parametrizations.weight.original1"]
        f0 = shapes["f0_predictor.classifier.weight"][1]
        return cls(mel, channels, f0, shapes["m_source.l_linear.weight"][1] - 1)


class Hift(nn.Module):
    """Parameter names are those of hift.pt. Call `pack` after the weights are loaded."""

    window: Tensor
    m_source: Source

    def __init__(self, shape: HiftShape) -> None:
        super().__init__()
        widths = [shape.channels >> level for level in range(len(_RATES) + 1)]
        self.m_source = Source(shape.harmonics)
        self.conv_pre = weight_norm(nn.Conv1d(shape.mel, widths[0], 7, padding=3))
        self.ups = nn.ModuleList(
            weight_norm(
                nn.ConvTranspose1d(wide, narrow, kernel, rate, padding=(kernel - rate) // 2)
            )
            for wide, narrow, kernel, rate in zip(
                widths, widths[1:], _UP_KERNELS, _RATES, strict=False
            )
        )
        self.source_downs = nn.ModuleList(
            _source_down(width, math.prod(_RATES[level + 1 :]))
            for level, width in enumerate(widths[1:])
        )
        self.source_resblocks = nn.ModuleList(
            ResBlock(width, kernel)
            for width, kernel in zip(widths[1:], _SOURCE_KERNELS, strict=True)
        )
        self.resblocks = nn.ModuleList(
            ResBlock(width, kernel) for width in widths[1:] for kernel in _KERNELS
        )
        self.conv_post = weight_norm(nn.Conv1d(widths[-1], _N_FFT + 2, 7, padding=3))
        self.f0_predictor = F0Predictor(shape.mel, shape.f0_channels)
        self.register_buffer("window", torch.hann_window(_N_FFT), persistent=False)
        self.recorded: Captured | None = None

    def pack(self) -> None:
        """Multiplies the weight norms out."""
        self.eval()
        for module in self.modules():
            if parametrize.is_parametrized(module):
                parametrize.remove_parametrizations(module, "weight")
        self.requires_grad_(False)

    def f0(self, mel: Tensor) -> Tensor:
        """(batch, bins, frames) -> hertz (batch, frames)."""
        hertz: Tensor = self.f0_predictor(mel)
        return hertz

    def record(self, graphs: Graphs) -> None:
        """Lets the middle of `decode` be recorded by shape and replayed from now on."""
        self.recorded = Captured(self._filtered, Recordings("token2wav: vocoder", graphs))

    def decode(self, mel: Tensor, source: Tensor, *, again: bool = False) -> Tensor:
        """mel (batch, bins, frames) and source (batch, 1, samples) -> samples (batch, samples).

        again: inputs of this length will come again, and are worth recording.
        """
        filtered = self.recorded if self.recorded and again else self._filtered
        return self._wave(*filtered(mel, self._spectrum(source)))

    def _filtered(self, mel: Tensor, spectrum: Tensor) -> tuple[Tensor, ...]:
        x = self.conv_pre(mel)
        for level, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, _SLOPE))
            if level == len(self.ups) - 1:
                x = functional.pad(x, (1, 0), mode="reflect")
            x = x + self.source_resblocks[level](self.source_downs[level](spectrum))
            blocks = self.resblocks[level * len(_KERNELS) : (level + 1) * len(_KERNELS)]
            x = torch.stack([block(x) for block in blocks]).mean(0)
        return (self.conv_post(functional.leaky_relu(x)),)

    def _spectrum(self, source: Tensor) -> Tensor:
        """(batch, 1, samples) -> real and imaginary parts (batch, 18, samples / 4 + 1)."""
        z = torch.stft(source[:, 0], _N_FFT, _HOP, _N_FFT, window=self.window, return_complex=True)
        return torch.cat([z.real, z.imag], dim=1)

    def _wave(self, x: Tensor) -> Tensor:
        """Log magnitudes and (nearly) phases (batch, 18, n) -> samples (batch, 4 * (n - 1))."""
        magnitude = x[:, :_BINS].exp().clamp(max=100.0)
        phase = x[:, _BINS:].sin()
        z = torch.polar(magnitude, phase)
        wave = torch.istft(z, _N_FFT, _HOP, _N_FFT, window=self.window)
        return wave.clamp(-_LIMIT, _LIMIT)


def _source_down(width: int, rate: int) -> nn.Conv1d:
    """Brings the source's spectrum to the rate of a level."""
    if rate == 1:
        return nn.Conv1d(_N_FFT + 2, width, 1)
    return nn.Conv1d(_N_FFT + 2, width, 2 * rate, rate, padding=rate // 2)


assert math.prod(_RATES) * _HOP == SAMPLES_A_FRAME


DILATIONS = (1, 3, 5)


class Snake(nn.Module):
    """x + sin(alpha * x)**2 / alpha."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels, time)."""
        alpha = self.alpha[:, None]
        wave = (x * alpha).sin_()
        return torch.addcmul(x, wave.mul_(wave), 1 / (alpha + 1e-9))


class ResBlock(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()

        def conv(dilation: int) -> nn.Module:
            padding = (kernel - 1) * dilation // 2
            layer = nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=padding)
            return cast(nn.Module, weight_norm(layer))

        self.convs1 = nn.ModuleList(conv(dilation) for dilation in DILATIONS)
        self.convs2 = nn.ModuleList(conv(1) for _ in DILATIONS)
        self.activations1 = nn.ModuleList(Snake(channels) for _ in DILATIONS)
        self.activations2 = nn.ModuleList(Snake(channels) for _ in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        layers = zip(self.activations1, self.convs1, self.activations2, self.convs2, strict=True)
        for activation1, conv1, activation2, conv2 in layers:
            x = x + conv2(activation2(conv1(activation1(x))))
        return x


CONTEXT = 5
"""Frames to each side that the value of a frame depends on."""


class F0Predictor(nn.Module):
    def __init__(self, mel: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(CONTEXT):
            conv = nn.Conv1d(channels if index else mel, channels, 3, padding=1)
            layers += [weight_norm(conv), nn.ELU()]
        self.condnet = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, 1)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, bins, frames) -> hertz (batch, frames)."""
        y: Tensor = self.classifier(self.condnet(mel).transpose(1, 2))
        return y.squeeze(2).abs()
