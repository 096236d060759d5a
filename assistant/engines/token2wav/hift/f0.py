"""Fundamental frequency from mel frames."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

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
