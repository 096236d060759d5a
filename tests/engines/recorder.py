"""A double for CUDA graphs on machines without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from assistant.engines.nn.cuda_graphs import Work


class Recorder:
    """Runs the function again for each replay, and writes into the results of the first run.

    As with a graph, only what lies in the inputs' place is seen, and there is no result before the
    first replay.
    """

    def __init__(
        self, *, fails_to_record: bool = False, fails_at_replay: int | None = None
    ) -> None:
        self.records = self.replays = 0
        self._fails_to_record, self._fails_at_replay = fails_to_record, fails_at_replay

    def record(self, work: Work) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        if self._fails_to_record:
            raise RuntimeError("operation not permitted when stream is capturing\nand a traceback")
        self.records += 1
        for _ in range(2):
            outputs = work()  # as it is warmed up
        for output in outputs:
            output.fill_(torch.nan if output.is_floating_point() else -1)

        def replay() -> None:
            if self.replays == self._fails_at_replay:
                raise RuntimeError("the GPU is out of memory")
            self.replays += 1
            for place, result in zip(outputs, work(), strict=True):
                place.copy_(result)

        return replay, outputs


GPU = torch.device("meta")
"""Tensors of it have shapes, but no numbers. As on a GPU, they don't meet tensors of another
device, and nothing can be read without copying it."""


class OnlyOnGpu(TorchDispatchMode):
    operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations += 1
        for tensor in tree_leaves((args, kwargs, result)):
            if isinstance(tensor, Tensor):
                assert tensor.device == GPU, f"{func} in a recording touches {tensor.device}"
        assert func is not torch.ops.aten._local_scalar_dense.default
        return result


class Inspector:
    """Records nothing; inspects everything that would be recorded."""

    def __init__(self) -> None:
        self.operations: list[int] = []

    def record(self, work: Work) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        with OnlyOnGpu() as only:
            outputs = work()
        self.operations.append(only.operations)
        return lambda: None, outputs
