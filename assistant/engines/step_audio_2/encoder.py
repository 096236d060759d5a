"""The audio encoder, Whisper's with mean pooling at its end, and the adapter into the language
model's space. Parameter names are those of the checkpoint, below `encoder.` and `adapter.`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from assistant.engines.nn.packed_linear import Matrix
from assistant.engines.step_audio_2.sizes import AudioSizes

_ADAPTER_HIDDEN = 2048


class Linear(nn.Linear):
    """A linear layer whose weight can be packed, see Matrix."""

    _matrix: Matrix | None = None

    def pack(self) -> None:
        self._matrix = Matrix(self.weight.data)
        self._matrix.pack()
        self.weight = nn.Parameter(self._matrix.dense, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self._matrix is None else self._matrix(x, self.bias)


class Attention(nn.Module):
    """All positions see one another, but for padding."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key = Linear(width, width, bias=False)
        self.value = Linear(width, width)
        self.out = Linear(width, width)

    def forward(self, x: Tensor, audible: Tensor) -> Tensor:  # (b, t, width), (b, 1, 1, t)
        shape = (*x.shape[:2], self.heads, -1)
        query, key, value = (
            project(x).view(shape).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=audible)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.attn_ln = nn.LayerNorm(width)
        self.mlp = nn.Sequential(Linear(width, 4 * width), nn.GELU(), Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor, audible: Tensor) -> Tensor:
        x = x + self.attn(self.attn_ln(x), audible)
        return x + self.mlp(self.mlp_ln(x))  # type: ignore[no-any-return]


class AudioEncoder(nn.Module):
    """Maps log-mel frames, 100 per second, to states, 25 per second."""

    def __init__(self, sizes: AudioSizes) -> None:
        super().__init__()
        width = sizes.n_audio_state
        self.conv1 = nn.Conv1d(sizes.n_mels, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.positional_embedding = nn.Embedding(sizes.n_audio_ctx, width)
        self.blocks = nn.ModuleList(
            Block(width, sizes.n_audio_head) for _ in range(sizes.n_audio_layer)
        )
        self.after_norm = nn.LayerNorm(width)

    def forward(self, log_mels: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(b, n_mels, frames) and the frames of each that count, (b,), to states and their counts.

        Positions past a length are not listened to, but still have a state.
        """
        x = functional.gelu(self.conv1(log_mels))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)  # (b, t, width)
        # The second frame of each pair decides whether the state is attended to, as in training.
        frames = torch.arange(log_mels.shape[-1], device=x.device)[
            (log_mels.shape[-1] + 1) % 2 :: 2
        ]
        audible = (frames < lengths[:, None])[:, None, None]  # (b, 1, 1, t)
        x = x + self.positional_embedding.weight[: x.shape[1]]
        for block in self.blocks:
            x = block(x, audible)
        x = functional.avg_pool1d(x.transpose(1, 2), 2).transpose(1, 2)
        return self.after_norm(x), (lengths + 1) // 2 // 2


class Adapter(nn.Module):
    """Maps states, 25 per second, to embeddings, 12.5 per second."""

    def __init__(self, sizes: AudioSizes) -> None:
        super().__init__()
        width, self.kernel, self.stride = (
            sizes.n_audio_state,
            sizes.kernel_size,
            sizes.adapter_stride,
        )
        self.conv = nn.Conv1d(width, width, self.kernel, self.stride, padding=1)
        self.linear1 = Linear(width, _ADAPTER_HIDDEN)
        self.linear2 = Linear(_ADAPTER_HIDDEN, sizes.llm_dim)

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(b, t, width), (b,) to (b, t / stride, llm_dim) and how many of each count, (b,)."""
        x = functional.gelu(self.conv(states.transpose(1, 2))).transpose(1, 2)
        embeddings = self.linear2(functional.relu(self.linear1(x)))
        return embeddings, (lengths + 2 - self.kernel) // self.stride + 1
