"""The conformer that turns speech tokens into what the estimator follows: one vector a mel frame.

Two stacks of blocks, the first at the tokens' rate, the second at the mel frames'. It sees
`look_ahead` tokens beyond those it encodes, and no further, so it can run chunk by chunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from assistant.engines.token2wav.flow.attention import KeysValues, RelativeAttention
from assistant.engines.token2wav.flow.shape import FlowShape


@dataclass(frozen=True)
class ConformerMemory:
    """The state after the chunks before. Immutable: a prompt's state starts many streams."""

    ahead: Tensor  # (1, 2, width): the last inputs of the look-ahead's second convolution
    up: Tensor  # (1, 2 * up_rate, width): those of the upsampling's
    blocks: tuple[KeysValues, ...]
    up_blocks: tuple[KeysValues, ...]

    def trimmed(self, prompt: int, newest: int, up_rate: int) -> ConformerMemory:
        """Returns the first `prompt` and the last `newest` tokens, if there are more."""
        if self.blocks[0][0].shape[2] <= prompt + newest:
            return self
        return replace(
            self,
            blocks=tuple(_ends(pair, prompt, newest) for pair in self.blocks),
            up_blocks=tuple(
                _ends(pair, prompt * up_rate, newest * up_rate) for pair in self.up_blocks
            ),
        )

    @property
    def nbytes(self) -> int:
        tensors = [t for pair in (*self.blocks, *self.up_blocks) for t in pair]
        return sum(t.nbytes for t in tensors)


def _ends(pair: KeysValues, first: int, last: int) -> KeysValues:
    # Positions are relative and counted over the cached tokens, so the prompt moves up to the
    # newest tokens: it never gets further away than the model has learned.
    k, v = (torch.cat([t[:, :, :first], t[:, :, t.shape[2] - last :]], dim=2) for t in pair)
    return k, v


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(width, hidden)
        self.w_2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.w_2(functional.silu(self.w_1(x)))
        return y


class Block(nn.Module):
    """Attention and feed-forward, each with its norm before and its input added after."""

    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        self.self_attn = RelativeAttention(shape.width, shape.heads)
        self.feed_forward = FeedForward(shape.width, shape.feed_forward)
        self.norm_ff = nn.LayerNorm(shape.width, eps=1e-12)
        self.norm_mha = nn.LayerNorm(shape.width, eps=1e-12)

    def forward(self, x: Tensor, memory: KeysValues | None) -> tuple[Tensor, KeysValues]:
        y, memory = self.self_attn(self.norm_mha(x), memory)
        x = x + y
        return x + self.feed_forward(self.norm_ff(x)), memory


class Embed(nn.Module):
    """Linear and norm, scaled up against the position terms."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width, eps=1e-5))
        self.scale = math.sqrt(width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.out(x) * self.scale
        return y


class LookAhead(nn.Module):
    """Mixes each token with the few that follow it."""

    def __init__(self, width: int, look_ahead: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, look_ahead + 1)
        self.conv2 = nn.Conv1d(width, width, 3)

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """x: (1, time + look-ahead, width) -> (1, time, width), and what to keep."""
        y = functional.leaky_relu(self.conv1(x.transpose(1, 2))).transpose(1, 2)
        y, kept = _causal(self.conv2, y, before)
        return y + x[:, : y.shape[1]], kept


class Upsample(nn.Module):
    """Repeats each vector, then smooths over the ones before."""

    def __init__(self, width: int, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.conv = nn.Conv1d(width, width, 2 * rate + 1)

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        return _causal(self.conv, x.repeat_interleave(self.rate, dim=1), before)


def _causal(conv: nn.Conv1d, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
    """The convolution over x and what came before it (zeros at the start), and what to keep."""
    reach = conv.kernel_size[0] - 1
    if before is None:
        before = x.new_zeros(x.shape[0], reach, x.shape[2])
    x = torch.cat([before, x], dim=1)
    return conv(x.transpose(1, 2)).transpose(1, 2), x[:, -reach:].clone()


class Conformer(nn.Module):
    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        self.look_ahead = shape.look_ahead
        self.embed = Embed(shape.width)
        self.after_norm = nn.LayerNorm(shape.width, eps=1e-5)
        self.pre_lookahead_layer = LookAhead(shape.width, shape.look_ahead)
        self.encoders = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.up_layer = Upsample(shape.width, shape.up_rate)
        self.up_embed = Embed(shape.width)
        self.up_encoders = nn.ModuleList(Block(shape) for _ in range(shape.up_blocks))

    def forward(
        self, x: Tensor, memory: ConformerMemory | None, last: bool
    ) -> tuple[Tensor, ConformerMemory]:
        """x: (1, tokens, width) -> (1, frames, width).

        The last `look_ahead` tokens are only looked at, to be sent again with the next chunk;
        with `last`, all are encoded and silence is seen beyond them.
        """
        x = self.embed(x)
        if last:
            x = functional.pad(x, (0, 0, 0, self.look_ahead))
        x, ahead = self.pre_lookahead_layer(x, memory.ahead if memory else None)
        x, blocks = _through(self.encoders, x, memory.blocks if memory else None)
        x, up = self.up_layer(x, memory.up if memory else None)
        x, up_blocks = _through(
            self.up_encoders, self.up_embed(x), memory.up_blocks if memory else None
        )
        return self.after_norm(x), ConformerMemory(ahead, up, blocks, up_blocks)


def _through(
    blocks: nn.ModuleList, x: Tensor, memories: tuple[KeysValues, ...] | None
) -> tuple[Tensor, tuple[KeysValues, ...]]:
    kept = []
    for index, block in enumerate(blocks):
        x, memory = block(x, memories[index] if memories else None)
        kept.append(memory)
    return x, tuple(kept)
