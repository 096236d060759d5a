"""The language model: Qwen2 (Yang et al., 2024), with a separate path for decoding one token.

Weights that read the same input are one matrix each (query, key and value; gate and up), so that a
layer has four matrix products. `checkpoint_views` maps the checkpoint's names to parts of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from assistant.engines.nn.packed_linear import Matrix
from assistant.engines.step_audio_2.kv_cache import KeyValueCache
from assistant.engines.step_audio_2.sizes import TextSizes


@dataclass(slots=True)
class Layer:
    """The weights of one layer; rows of `qkv` are query, key, value, those of `gate_up`
    gate, up.
    """

    input_norm: Tensor  # (hidden,)
    qkv: Matrix  # ((heads + 2 * kv_heads) * head_dim, hidden)
    qkv_bias: Tensor
    out: Matrix  # (hidden, hidden)
    mlp_norm: Tensor
    gate_up: Matrix  # (2 * intermediate, hidden)
    down: Matrix  # (hidden, intermediate)


class LanguageModel:
    """Prefills embeddings into a cache, and returns the logits of the next token."""

    def __init__(
        self, sizes: TextSizes, *, device: torch.device, dtype: torch.dtype, window: int
    ) -> None:
        self.sizes, self.device, self.dtype = sizes, device, dtype

        def empty(*shape: int) -> Tensor:
            return torch.empty(shape, device=device, dtype=dtype)

        hidden, width = sizes.hidden_size, sizes.num_attention_heads * sizes.head_dim
        qkv = width + 2 * sizes.num_key_value_heads * sizes.head_dim
        self.embedding = empty(sizes.vocab_size, hidden)
        self.layers = [
            Layer(
                input_norm=empty(hidden),
                qkv=Matrix(empty(qkv, hidden)),
                qkv_bias=empty(qkv),
                out=Matrix(empty(hidden, width)),
                mlp_norm=empty(hidden),
                gate_up=Matrix(empty(2 * sizes.intermediate_size, hidden)),
                down=Matrix(empty(hidden, sizes.intermediate_size)),
            )
            for _ in range(sizes.num_hidden_layers)
        ]
        self.norm = empty(hidden)
        self.head = Matrix(empty(sizes.vocab_size, hidden))
        self.cosine, self.sine = _rotations(sizes, window, device, dtype)

    def checkpoint_views(self) -> Iterator[tuple[str, Tensor]]:
        """Yields each name of the checkpoint with the tensor that its numbers go to, until
        `pack`.
        """
        yield "model.embed_tokens.weight", self.embedding
        for index, layer in enumerate(self.layers):
            for name, view in self._layer_views(layer):
                yield f"model.layers.{index}.{name}", view
        yield "model.norm.weight", self.norm
        yield "lm_head.weight", self.head.dense

    def _layer_views(self, layer: Layer) -> Iterator[tuple[str, Tensor]]:
        query = self.sizes.num_attention_heads * self.sizes.head_dim
        other = self.sizes.num_key_value_heads * self.sizes.head_dim
        for kind, fused in (("weight", layer.qkv.dense), ("bias", layer.qkv_bias)):
            for name, view in zip("qkv", torch.split(fused, [query, other, other]), strict=True):
                yield f"self_attn.{name}_proj.{kind}", view
        yield "self_attn.o_proj.weight", layer.out.dense
        for name, view in zip(("gate", "up"), layer.gate_up.dense.chunk(2), strict=True):
            yield f"mlp.{name}_proj.weight", view
        yield "mlp.down_proj.weight", layer.down.dense
        yield "input_layernorm.weight", layer.input_norm
        yield "post_attention_layernorm.weight", layer.mlp_norm

    def pack(self) -> None:
        for layer in self.layers:
            for matrix in (layer.qkv, layer.out, layer.gate_up, layer.down):
                matrix.pack()
        self.head.pack()

    def embed(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.embedding)

    def logits(self, states: Tensor) -> Tensor:
        """(n, hidden) to (n, vocab_size)."""
        return self.head(self._normed(states, self.norm))

    def prefill(self, x: Tensor, cache: KeyValueCache, slot: int, start: int) -> Tensor:
        """Reads embeddings (t, hidden) at position `start` of a slot; returns their states."""
        length = x.shape[0]
        cosine = self.cosine[start : start + length, None]
        sine = self.sine[start : start + length, None]
        mask = _causal_mask(length, start, x.device) if start else None
        for index, layer in enumerate(self.layers):
            query, keys, values = self._project(layer, x, cosine, sine)
            cache.write(index, slot, start, keys.transpose(0, 1), values.transpose(0, 1))
            end = start + length
            mixed = self._attend_causally(
                query, cache.keys[index][slot, :, :end], cache.values[index][slot, :, :end], mask
            )
            x = self._finish_layer(layer, x, mixed)
        return x

    def decode(
        self, ids: Tensor, cache: KeyValueCache, slots: Sequence[int], lengths: Sequence[int]
    ) -> Tensor:
        """One more token in each slot, (b,) ids after `lengths` positions; returns (b, hidden).

        Each slot's attention runs over exactly its own positions: no padding, nothing copied.
        """
        x = self.embed(ids)
        positions = torch.tensor(lengths, device=x.device)
        cosine, sine = self.cosine[positions, None], self.sine[positions, None]
        rows = list(enumerate(zip(slots, lengths, strict=True)))
        mixed = torch.empty(
            (len(rows), self.sizes.num_attention_heads * self.sizes.head_dim),
            device=x.device,
            dtype=x.dtype,
        )
        for index, layer in enumerate(self.layers):
            query, keys, values = self._project(layer, x, cosine, sine)
            all_keys, all_values = cache.keys[index], cache.values[index]
            for row, (slot, length) in rows:
                past_keys = all_keys[slot, :, : length + 1]
                past_values = all_values[slot, :, : length + 1]
                past_keys[:, length] = keys[row]
                past_values[:, length] = values[row]
                mixed[row] = self._attend_one(query[row], past_keys, past_values)
            x = self._finish_layer(layer, x, mixed)
        return x

    def decode_padded(
        self, ids: Tensor, cache: KeyValueCache, slots: Tensor, positions: Tensor, reach: int
    ) -> Tensor:
        """The same as `decode`, with shapes that depend on the batch and on `reach` alone.

        `reach` is at least every length + 1. This is what a CUDA graph can record: slots and
        positions, (b,) each, are read on the device.
        """
        x = self.embed(ids)
        cosine, sine = self.cosine[positions, None], self.sine[positions, None]
        mask = (torch.arange(reach, device=x.device) <= positions[:, None])[:, None, None]
        groups = (len(ids), self.sizes.num_key_value_heads, -1, self.sizes.head_dim)
        for index, layer in enumerate(self.layers):
            query, keys, values = self._project(layer, x, cosine, sine)
            cache.keys[index][slots, :, positions] = keys
            cache.values[index][slots, :, positions] = values
            mixed = functional.scaled_dot_product_attention(
                query.view(groups),  # the heads that share keys are rows of one product
                cache.keys[index][:, :, :reach].index_select(0, slots),
                cache.values[index][:, :, :reach].index_select(0, slots),
                attn_mask=mask,
            )
            x = self._finish_layer(layer, x, mixed.reshape(len(ids), -1))
        return x

    def _normed(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, weight.shape, weight, self.sizes.rms_norm_eps)

    def _project(
        self, layer: Layer, x: Tensor, cosine: Tensor, sine: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Query (n, heads, head_dim), key and value (n, kv_heads, head_dim), rotated."""
        sizes = self.sizes
        fused = layer.qkv(self._normed(x, layer.input_norm), layer.qkv_bias)
        heads = fused.view(x.shape[0], -1, sizes.head_dim)
        turning = sizes.num_attention_heads + sizes.num_key_value_heads
        turned = _rotate(heads[:, :turning], cosine, sine)
        return (
            turned[:, : sizes.num_attention_heads],
            turned[:, sizes.num_attention_heads :],
            heads[:, turning:],
        )

    def _attend_one(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """One position, (heads, head_dim), over (kv_heads, t, head_dim); returns (hidden,).

        The heads that share keys are rows of one product, so keys are read once.
        """
        grouped = query.view(1, keys.shape[0], -1, query.shape[-1])
        mixed = functional.scaled_dot_product_attention(grouped, keys[None], values[None])
        return mixed.reshape(-1)

    def _attend_causally(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        """(t, heads, head_dim) over (kv_heads, end, head_dim); returns (t, hidden)."""
        length, heads, width = query.shape
        kv_heads = keys.shape[0]
        shared = (kv_heads, heads // kv_heads, keys.shape[1], width)
        mixed = functional.scaled_dot_product_attention(
            query.transpose(0, 1).view(kv_heads, heads // kv_heads, length, width),
            keys[:, None].expand(shared),  # not copied: a stride of zero
            values[:, None].expand(shared),
            attn_mask=mask,
            is_causal=mask is None,
        )
        return mixed.permute(2, 0, 1, 3).reshape(length, heads * width)

    def _finish_layer(self, layer: Layer, x: Tensor, mixed: Tensor) -> Tensor:
        x = layer.out(mixed).add_(x)
        gate, up = layer.gate_up(self._normed(x, layer.mlp_norm)).chunk(2, -1)
        return layer.down(functional.silu(gate).mul_(up)).add_(x)


def _rotations(
    sizes: TextSizes, window: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each position's rotary angles, (window, head_dim) each.

    The sine's first half is negative, so that one product with the swapped halves is enough.
    """
    exponents = torch.arange(0, sizes.head_dim, 2, dtype=torch.float32, device=device)
    frequencies = 1.0 / sizes.rope_theta ** (exponents / sizes.head_dim)
    angles = torch.arange(window, dtype=torch.float32, device=device)[:, None] * frequencies
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([cosine, cosine], -1).to(dtype), torch.cat([-sine, sine], -1).to(dtype)


def _rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary position embedding (Su et al., 2021), halves as in Qwen2."""
    half = heads.shape[-1] // 2
    return torch.addcmul(heads * cosine, heads.roll(half, -1), sine)


def _causal_mask(length: int, start: int, device: torch.device) -> Tensor:
    """(length, start + length): which positions each new one may see."""
    columns = torch.arange(start + length, device=device)
    return columns <= torch.arange(start, start + length, device=device)[:, None]
