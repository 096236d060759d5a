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

from assistant.engines.token2wav.flow.shape import FlowShape


@dataclass(frozen=True)
class ConformerCache:
    """The state after the chunks before. Immutable: a prompt's state starts many streams."""

    ahead: Tensor  # (1, 2, width): the last inputs of the look-ahead's second convolution
    up: Tensor  # (1, 2 * up_rate, width): those of the upsampling's
    blocks: tuple[KeysValues, ...]
    up_blocks: tuple[KeysValues, ...]

    def trimmed(self, prompt: int, newest: int, up_rate: int) -> ConformerCache:
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

    def forward(self, x: Tensor, cache: KeysValues | None) -> tuple[Tensor, KeysValues]:
        y, cache = self.self_attn(self.norm_mha(x), cache)
        x = x + y
        return x + self.feed_forward(self.norm_ff(x)), cache


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
        self, x: Tensor, cache: ConformerCache | None, last: bool
    ) -> tuple[Tensor, ConformerCache]:
        """x: (1, tokens, width) -> (1, frames, width).

        The last `look_ahead` tokens are only looked at, to be sent again with the next chunk;
        with `last`, all are encoded and silence is seen beyond them.
        """
        x = self.embed(x)
        if last:
            x = functional.pad(x, (0, 0, 0, self.look_ahead))
        x, ahead = self.pre_lookahead_layer(x, cache.ahead if cache else None)
        x, blocks = _through(self.encoders, x, cache.blocks if cache else None)
        x, up = self.up_layer(x, cache.up if cache else None)
        x, up_blocks = _through(
            self.up_encoders, self.up_embed(x), cache.up_blocks if cache else None
        )
        return self.after_norm(x), ConformerCache(ahead, up, blocks, up_blocks)


def _through(
    blocks: nn.ModuleList, x: Tensor, caches: tuple[KeysValues, ...] | None
) -> tuple[Tensor, tuple[KeysValues, ...]]:
    kept = []
    for index, block in enumerate(blocks):
        x, cache = block(x, caches[index] if caches else None)
        kept.append(cache)
    return x, tuple(kept)


KeysValues = tuple[Tensor, Tensor]
"""Keys and values of the positions before: each (1, heads, time, head width)."""


class RelativeAttention(nn.Module):
    """Queries are the newest positions; keys are the cache's, then their own."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(heads, width // heads))
        self.pos_bias_v = nn.Parameter(torch.zeros(heads, width // heads))
        self._positions = torch.empty(0)  # what linear_pos makes of distances; grown when needed

    def forward(self, x: Tensor, cache: KeysValues | None) -> tuple[Tensor, KeysValues]:
        """x: (1, time, width) -> the same shape, and keys and values with x's own at the end."""
        q, k, v = (
            self._split(linear(x)) for linear in (self.linear_q, self.linear_k, self.linear_v)
        )
        if cache is not None:
            k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
        bias = self._distance_bias(q + self.pos_bias_v[:, None], k.shape[2])
        y = functional.scaled_dot_product_attention(
            q + self.pos_bias_u[:, None], k, v, attn_mask=bias
        )
        return self.linear_out(y.transpose(1, 2).flatten(2)), (k, v)

    def _split(self, x: Tensor) -> Tensor:
        """(1, time, width) -> (1, heads, time, head width)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _distance_bias(self, q: Tensor, keys: int) -> Tensor:
        """Returns the bias of each query by its distance to each key: (1, heads, queries, keys)."""
        queries = q.shape[2]
        positions = self._encoded(keys, queries)  # (heads, keys + queries - 1, head width)
        scores = (q[0] @ positions.transpose(1, 2)) / math.sqrt(q.shape[3])
        # Row i needs the entries from queries - 1 - i on: a view with the row stride one less.
        length = scores.shape[2]
        strides = (scores.stride(0), length - 1, 1)
        shifted = scores.contiguous().as_strided((self.heads, queries, keys), strides, queries - 1)
        return shifted[None].contiguous()

    def _encoded(self, keys: int, queries: int) -> Tensor:
        """Encoded distances from keys - 1 (far behind) down to -(queries - 1) (ahead)."""
        reach = max(keys, queries)
        table = self._positions
        if (
            table.dim() < 3
            or table.shape[1] < 2 * reach - 1
            or table.device != self.pos_bias_u.device
        ):
            table = self._positions = self._encode(max(512, 1 << reach.bit_length()))
        middle = table.shape[1] // 2  # where the distance is 0
        return table[:, middle - keys + 1 : middle + queries]

    def _encode(self, reach: int) -> Tensor:
        weight = self.linear_pos.weight
        distances = torch.arange(reach - 1, -reach, -1, device=weight.device, dtype=torch.float32)
        width = weight.shape[1]
        steps = torch.arange(0, width, 2, device=weight.device, dtype=torch.float32)
        angles = distances[:, None] * torch.exp(steps * -(math.log(10_000.0) / width))
        table = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)  # sin, cos, sin, ...
        return self._split(self.linear_pos(table.to(weight.dtype))[None])[0].contiguous()
