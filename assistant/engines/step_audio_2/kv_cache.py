"""The KV cache: keys and values of the positions that are prefilled or decoded, allocated once.

Each resident conversation has a slot with `window` positions in every layer. A slot takes 2 *
layers * kv_heads * window * head_dim numbers; on a CPU the system provides the pages only as they
are written.
"""

from __future__ import annotations

import torch
from torch import Tensor

from assistant.engines.step_audio_2.sizes import TextSizes


class KeyValueCache:
    """All slots: `keys[layer]`, `values[layer]` are (slots, kv_heads, window, head_dim)."""

    def __init__(
        self,
        sizes: TextSizes,
        *,
        slots: int,
        window: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        shape = (slots, sizes.num_key_value_heads, window, sizes.head_dim)
        layers = range(sizes.num_hidden_layers)
        self.keys = [torch.empty(shape, device=device, dtype=dtype) for _ in layers]
        self.values = [torch.empty(shape, device=device, dtype=dtype) for _ in layers]
        self.slots, self.window = slots, window
        self.device = device
        if device.type == "cuda":
            # Attention over a whole bucket reads masked positions: 0 * NaN would be NaN.
            for tensor in (*self.keys, *self.values):
                tensor.zero_()

    @staticmethod
    def bytes_per_slot(sizes: TextSizes, window: int, dtype: torch.dtype) -> int:
        numbers = 2 * sizes.num_hidden_layers * sizes.num_key_value_heads * sizes.head_dim
        return numbers * window * dtype.itemsize

    def write(self, layer: int, slot: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Puts (kv_heads, t, head_dim) at `start` of a slot."""
        end = start + keys.shape[1]
        self.keys[layer][slot, :, start:end] = keys
        self.values[layer][slot, :, start:end] = values
