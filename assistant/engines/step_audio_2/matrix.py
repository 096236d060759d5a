"""A weight matrix, kept in the layout that multiplies fastest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class Matrix:
    """(out, in). `dense` is there until `pack` is called, for a checkpoint to fill."""

    __slots__ = ("_packed", "dense")

    def __init__(self, dense: Tensor) -> None:
        self.dense = dense
        self._packed: Tensor | None = None

    def pack(self) -> None:
        """On a CPU, rearranges the numbers in oneDNN's blocks and lets go of `dense`.

        One token at a time is bound by the speed of memory, and this layout is read at about twice
        the speed (and a batch of eight at ten times) of what `linear` does with the plain one.
        """
        if self._packed is not None or not _can_pack(self.dense):
            return
        self._packed = _onednn()._reorder_linear_weight(self.dense)
        self.dense = torch.empty(0, dtype=self.dense.dtype)

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """(n, in) to (n, out)."""
        if self._packed is None:
            return functional.linear(x, self.dense, bias)
        product: Tensor = _onednn()._linear_pointwise(x, self._packed, bias, "none", [], "")
        return product


def _onednn() -> Any:
    # The operators that torch.compile uses on CPUs; called directly, they need no compiler.
    return torch.ops.mkldnn


def _can_pack(dense: Tensor) -> bool:
    backend: Any = torch.backends.mkldnn
    if dense.device.type != "cpu" or not backend.is_available():
        return False
    if dense.dtype == torch.bfloat16 and not _onednn()._is_mkldnn_bf16_supported():
        return False
    names = ("_reorder_linear_weight", "_linear_pointwise")
    return all(hasattr(_onednn(), name) for name in names)
