"""Residual blocks of dilated convolutions with Snake activations (arXiv:2006.08195)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

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
