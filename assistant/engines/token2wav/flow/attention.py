"""Self-attention with relative positions (Transformer-XL, arXiv:1901.02860, as ESPnet has it)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of the positions before: each (1, heads, time, head width)."""


class RelativeAttention(nn.Module):
    """Queries are the newest positions; keys are the memory's, then their own."""

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
        self._positions = torch.empty(
            0
        )  # the output of linear_pos for distances; grown when needed

    def forward(self, x: Tensor, memory: KeysValues | None) -> tuple[Tensor, KeysValues]:
        """x: (1, time, width) -> the same shape, and keys and values with x's own at the end."""
        q, k, v = (
            self._split(linear(x)) for linear in (self.linear_q, self.linear_k, self.linear_v)
        )
        if memory is not None:
            k, v = torch.cat([memory[0], k], dim=2), torch.cat([memory[1], v], dim=2)
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
