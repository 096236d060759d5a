"""Matrix products in the layout that is fastest on the device.

On a CPU, oneDNN's own blocked weight layout makes a float32 product more than twice as fast as the
BLAS that PyTorch ships (measured on an AMD EPYC with AVX-512: 390 against 165 GFLOP/s at 100 rows),
and a bfloat16 one somewhat faster (760 against 690). On a GPU the plain layout is right.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["none", "gelu"]
_HAS_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
_ROWS = 100
"""Rows to optimize for: 50 frames, with and without guidance."""


class PackedLinear:
    """`x @ weight.T + bias`, then the activation (`gelu` is the tanh approximation).

    `weight` has shape (out, in); further weights are stacked below it, to be one product.
    """

    def __init__(self, *layers: nn.Linear, activation: Activation = "none") -> None:
        biases = [_bias(layer) for layer in layers]
        weight = torch.cat([layer.weight.detach() for layer in layers])
        self._set(weight, torch.cat(biases), activation)

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, activation: Activation = "none") -> PackedLinear:
        linear = cls.__new__(cls)
        linear._set(weight.detach(), bias.detach(), activation)
        return linear

    @classmethod
    def of_conv(cls, conv: nn.Conv1d) -> PackedLinear:
        """Returns a convolution over time as one product; its input is the result of `windows`."""
        weight = conv.weight.detach()  # (out, in, kernel)
        bias = _bias(conv)
        return cls.of(weight.permute(0, 2, 1).reshape(weight.shape[0], -1), bias)

    def _set(self, weight: Tensor, bias: Tensor, activation: Activation) -> None:
        self.bias = bias.contiguous()
        self.activation = activation
        weight = weight.contiguous()
        self.packed = can_pack(weight)
        self.weight = (
            torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS) if self.packed else weight
        )

    def __call__(self, x: Tensor) -> Tensor:
        if self.packed:
            algorithm = "tanh" if self.activation == "gelu" else ""
            y: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self.weight, self.bias, self.activation, [], algorithm
            )
            return y
        y = functional.linear(x, self.weight, self.bias)
        return functional.gelu(y, approximate="tanh") if self.activation == "gelu" else y


def windows(x: Tensor, kernel: int) -> Tensor:
    """(batch, time + kernel - 1, channels) -> (batch, time, kernel * channels)."""
    time = x.shape[1] - kernel + 1
    return torch.cat([x[:, i : i + time] for i in range(kernel)], dim=-1)


def _bias(layer: nn.Linear | nn.Conv1d) -> Tensor:
    if layer.bias is None:
        return layer.weight.new_zeros(layer.weight.shape[0])
    return layer.bias.detach()


class Matrix:
    """(out, in). `dense` is there until `pack` is called, for a checkpoint to fill."""

    __slots__ = ("_packed", "dense")

    def __init__(self, dense: Tensor) -> None:
        self.dense = dense
        self._packed: Tensor | None = None

    def pack(self) -> None:
        """Rearranges the numbers in oneDNN's blocks, on a CPU, and frees `dense`.

        Decoding one token is bound by the speed of memory, and this layout is read at about twice
        the speed (and a batch of eight at ten times) of `linear` with the plain one.
        """
        if self._packed is not None or not can_pack(self.dense):
            return
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self.dense)
        self.dense = torch.empty(0, dtype=self.dense.dtype)

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """(n, in) to (n, out)."""
        if self._packed is None:
            return functional.linear(x, self.dense, bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, bias, "none", [], "")
        return product


def can_pack(weight: Tensor) -> bool:
    """Returns whether oneDNN multiplies this weight in its own layout, and not by emulation."""
    if weight.device.type != "cpu" or not _HAS_ONEDNN:
        return False
    if weight.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return _packs(weight.dtype)


@cache
def _packs(dtype: torch.dtype) -> bool:
    """Returns whether this build of PyTorch has oneDNN's packed products, and they are correct.

    They are not public, so they are tried once, on a small product, before they are used.
    """
    x, weight, bias = torch.ones(2, 8), torch.ones(4, 8), torch.ones(4)
    x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, 2)
        y = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    return bool((y == 9).all())
