"""The flow in one pass over all speech tokens, as the reference implementation runs it."""

from __future__ import annotations

import torch
from torch import Tensor

from assistant.engines.token2wav.flow.attention_cache import HALVES
from assistant.engines.token2wav.flow.model import Flow
from assistant.engines.token2wav.flow.shape import FlowShape


def whole_utterance(
    flow: Flow, tokens: Tensor, prompt_tokens: Tensor, mel: Tensor, speaker: Tensor
) -> Tensor:
    """Returns the mel frames of all tokens, (1, frames, mel); each frame attends to every other.

    Slower than chunks after a prepared prompt, since the prompt is run again.
    """
    mu, _ = flow.encode(torch.cat([prompt_tokens, tokens], dim=1), None, last=True)
    memory = SinglePass(flow.shape, flow.like)
    x = flow.solve(mu, flow.project_speaker(speaker), mel, [memory], [0])
    return x[:, mel.shape[1] :]


class SinglePass:
    """A cache that stores nothing between steps."""

    def __init__(self, shape: FlowShape, like: Tensor) -> None:
        self._zeros = like.new_zeros(HALVES, 2, shape.hidden)
        self._pair: tuple[Tensor, Tensor] | None = None

    def store(self, step: int, layer: int, keys: Tensor, values: Tensor) -> None:
        self._pair = keys, values

    def visible(self, step: int, layer: int, chunk: int) -> list[tuple[Tensor, Tensor]]:
        return [self._pair] if self._pair else []

    def edge(self, step: int, layer: int, which: int) -> Tensor:
        return self._zeros.clone()
