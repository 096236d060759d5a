"""The estimator of the flow's velocity: a diffusion transformer (DiT, arXiv:2212.09748).

Beyond the paper, each block has two causal convolutions between attention and MLP. Conditioning
on the time of an Euler step does not depend on the input: it is computed once, for all steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from assistant.engines.nn.packed_linear import PackedLinear, windows
from assistant.engines.token2wav.flow.attention_cache import HALVES, StreamCaches
from assistant.engines.token2wav.flow.shape import FlowShape

_EPS = 1e-6


@dataclass(frozen=True)
class Modulation:
    """The modulation of one block by a step's time: scales, shifts and gates, (3, hidden).

    In the order attention, MLP, convolutions. A norm without parameters that is scaled and shifted
    is a norm with parameters.
    """

    scale: Tensor
    shift: Tensor
    gate: Tensor


@dataclass(frozen=True)
class StepTime:
    """The modulation of all blocks and of the final norm by the time of one Euler step."""

    blocks: Tensor  # (depth, 3, 3, hidden): of each block scale, shift, gate, as in Modulation
    final: Tensor  # (2, hidden): scale, shift

    @classmethod
    def of(cls, blocks: Tensor, final: Tensor) -> StepTime:
        """Splits blocks, (depth, 9 * hidden), into shift, scale and gate of each of the three, and
        final, (2 * hidden,), into shift and scale.
        """
        shift, scale, gate = blocks.view(len(blocks), 3, 3, -1).unbind(2)
        final_shift, final_scale = final.chunk(2)
        return cls(
            torch.stack([1 + scale, shift, gate], dim=1),
            torch.stack([1 + final_scale, final_shift]),
        )


def modulations(blocks: Tensor) -> list[Modulation]:
    """Views of StepTime's blocks."""
    return [Modulation(scale, shift, gate) for scale, shift, gate in blocks]


class Attention(nn.Module):
    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        self.heads, self.head_width = shape.estimator_heads, shape.head_width
        inner = self.heads * self.head_width
        self.to_q = nn.Linear(shape.hidden, inner)
        self.to_k = nn.Linear(shape.hidden, inner)
        self.to_v = nn.Linear(shape.hidden, inner)
        self.q_norm = nn.LayerNorm(self.head_width)
        self.k_norm = nn.LayerNorm(self.head_width)
        self.proj = nn.Linear(inner, shape.hidden)

    def pack(self) -> None:
        self.qkv = PackedLinear(self.to_q, self.to_k, self.to_v)
        self.out = PackedLinear(self.proj)
        scale = self.head_width**-0.5
        self.q_scale = self.q_norm.weight.detach() * scale
        self.q_shift = self.q_norm.bias.detach() * scale
        del self.to_q, self.to_k, self.to_v, self.proj

    def forward(self, x: Tensor, step: int, layer: int, caches: StreamCaches) -> Tensor:
        """x: (streams * halves, time, hidden); each stream attends to its own cache."""
        q, k, v = (
            self.qkv(x).view(*x.shape[:2], 3, self.heads, -1).unbind(2)
        )  # (b, t, heads, width)
        q = functional.layer_norm(q, (self.head_width,), self.q_scale, self.q_shift)
        k = self.k_norm(k)
        q, k, v = (self._rows(part) for part in (q, k, v))
        y = caches.attend(step, layer, q, k, v)
        y = y.reshape(x.shape[0], self.heads, x.shape[1], self.head_width)
        return self.out(y.transpose(1, 2).flatten(2))

    def _rows(self, x: Tensor) -> Tensor:
        """(streams * halves, time, heads, width) -> (streams, halves * heads, time, width)."""
        x = x.view(-1, HALVES, *x.shape[1:]).permute(0, 1, 3, 2, 4)
        return x.flatten(1, 2)


class Mlp(nn.Module):
    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden, inner)
        self.fc2 = nn.Linear(inner, hidden)

    def pack(self) -> None:
        self.up = PackedLinear(self.fc1, activation="gelu")
        self.down = PackedLinear(self.fc2)
        del self.fc1, self.fc2

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x))


class Convolutions(nn.Module):
    """Two causal convolutions over three frames, with norm and Mish between them."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        # Numbered as in the checkpoints, where layers without parameters lie between.
        self.block = nn.ModuleDict(
            {
                "1": nn.Conv1d(hidden, hidden, 3),
                "3": nn.LayerNorm(hidden),
                "6": nn.Conv1d(hidden, hidden, 3),
            }
        )

    def pack(self) -> None:
        first, second = self.block["1"], self.block["6"]
        assert isinstance(first, nn.Conv1d)
        assert isinstance(second, nn.Conv1d)
        self.first, self.second = PackedLinear.of_conv(first), PackedLinear.of_conv(second)
        del self.block["1"], self.block["6"]

    def forward(self, x: Tensor, step: int, layer: int, caches: StreamCaches) -> Tensor:
        x = self.first(windows(caches.behind(step, layer, 0, x), 3))
        x = functional.mish(self.block["3"](x))
        return self.second(windows(caches.behind(step, layer, 1, x), 3))


class Block(nn.Module):
    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        self.attn = Attention(shape)
        self.mlp = Mlp(shape.hidden, shape.mlp)
        self.conv = Convolutions(shape.hidden)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(shape.hidden, 9 * shape.hidden))

    def pack(self) -> None:
        self.attn.pack()
        self.mlp.pack()
        self.conv.pack()

    def forward(
        self, x: Tensor, by: Modulation, step: int, layer: int, caches: StreamCaches
    ) -> Tensor:
        size = x.shape[2:]
        y = functional.layer_norm(x, size, by.scale[0], by.shift[0], _EPS)
        x = torch.addcmul(x, by.gate[0], self.attn(y, step, layer, caches))
        y = functional.layer_norm(x, size, by.scale[2], by.shift[2], _EPS)
        x = torch.addcmul(x, by.gate[2], self.conv(y, step, layer, caches))
        y = functional.layer_norm(x, size, by.scale[1], by.shift[1], _EPS)
        return torch.addcmul(x, by.gate[1], self.mlp(y))


class TimeEmbedder(nn.Module):
    """Sinusoids of the time, then an MLP."""

    def __init__(self, hidden: int, frequencies: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(
            nn.Linear(frequencies, hidden), nn.SiLU(), nn.Linear(hidden, hidden)
        )

    def forward(self, times: Tensor) -> Tensor:
        """(steps,) within [0, 1] -> (steps, hidden)."""
        half = self.frequencies // 2
        order = torch.arange(half, device=times.device) / half
        angles = 1000 * times[:, None] * torch.exp(-math.log(10_000) * order)
        y: Tensor = self.mlp(torch.cat([angles.cos(), angles.sin()], dim=1))
        return y


class FinalLayer(nn.Module):
    def __init__(self, hidden: int, mel: int) -> None:
        super().__init__()
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(hidden, 2 * hidden))
        self.linear = nn.Linear(hidden, mel)


class Estimator(nn.Module):
    """The estimator. Call `pack` once the weights are loaded and on their device, then
    `prepare`.
    """

    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        self.shape = shape
        self.t_embedder = TimeEmbedder(shape.hidden, shape.time_frequencies)
        self.in_proj = nn.Linear(4 * shape.mel, shape.hidden)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.final_layer = FinalLayer(shape.hidden, shape.mel)

    def pack(self, times: Tensor, dtype: torch.dtype) -> None:
        """Computes what depends on the times alone, and lays out the weights, in `dtype`."""
        embedded = self.t_embedder(times.to(self.in_proj.weight))
        blocks = torch.stack([block.adaLN_modulation(embedded) for block in self._typed_blocks()])
        final = self.final_layer.adaLN_modulation(embedded)
        self.times = [
            StepTime.of(blocks[:, step].to(dtype), final[step].to(dtype))
            for step in range(len(times))
        ]
        self.modulations = [modulations(time.blocks) for time in self.times]
        for block in self.blocks:
            del block.adaLN_modulation
        del self.t_embedder, self.final_layer.adaLN_modulation
        self.to(dtype)
        for block in self._typed_blocks():
            block.pack()
        weight = self.in_proj.weight.detach()
        self.project_x = PackedLinear.of(
            weight[:, : self.shape.mel], self.in_proj.bias.detach() * 0
        )
        self.project_rest = PackedLinear.of(weight[:, self.shape.mel :], self.in_proj.bias.detach())
        self.project_out = PackedLinear(self.final_layer.linear)
        del self.in_proj, self.final_layer

    def _typed_blocks(self) -> Iterable[Block]:
        return cast("Iterable[Block]", self.blocks)

    def condition(self, mu: Tensor, speaker: Tensor, known: Tensor) -> Tensor:
        """Projects what does not change between steps.

        mu and known: (streams, time, mel), speaker: (streams, mel) -> (streams, halves, time,
        hidden); the second half is without any condition.
        """
        speaker = speaker[:, None].expand_as(mu)
        rest = torch.cat([mu, speaker, known], dim=2).to(self.project_rest.bias.dtype)
        return self.project_rest(torch.stack([rest, torch.zeros_like(rest)], dim=1))

    def forward(self, x: Tensor, condition: Tensor, step: int, caches: StreamCaches) -> Tensor:
        """x: (streams, time, mel) -> velocities (streams, halves, time, mel)."""
        final = self.times[step].final
        return self.velocity(x, condition, self.modulations[step], final, step, caches)

    def velocity(
        self,
        x: Tensor,
        condition: Tensor,
        modulations: Iterable[Modulation],
        final: Tensor,
        step: int,
        caches: StreamCaches,
    ) -> Tensor:
        """Returns the velocity for a given modulation; `step` selects the cache only."""
        y = (self.project_x(x.to(condition.dtype))[:, None] + condition).flatten(0, 1)
        blocks = zip(self._typed_blocks(), modulations, strict=True)
        for layer, (block, by) in enumerate(blocks):
            y = block(y, by, step, layer, caches)
        y = functional.layer_norm(y, y.shape[2:], final[0], final[1], _EPS)
        return self.project_out(y).view(-1, HALVES, *x.shape[1:])
