"""One decoding step of a batch, by the path that is fastest on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assistant.engines.step_audio_2.cache import KeyValueCache
from assistant.engines.step_audio_2.language import LanguageModel

_SMALLEST_REACH = 512


class Decoder:
    """Writes into one cache. On a GPU, steps are recorded once a shape and replayed."""

    def __init__(self, language: LanguageModel, cache: KeyValueCache) -> None:
        self._language, self._cache = language, cache
        self._steps: dict[tuple[int, int], RecordedStep] = {}
        self._pool: Any = None  # memory that all recorded steps share: they run one at a time

    def prefill(self, x: Tensor, slot: int, start: int) -> Tensor:
        """Embeddings (t, hidden) to states (t, hidden)."""
        return self._language.prefill(x, self._cache, slot, start)

    def decode(self, ids: Sequence[int], slots: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """One token after `lengths` positions of each slot; returns logits (b, vocab_size)."""
        if self._language.device.type == "cuda":
            return self.replayed(ids, slots, lengths)
        tokens = torch.tensor(ids, device=self._language.device)
        return self._language.logits(self._language.decode(tokens, self._cache, slots, lengths))

    def replayed(self, ids: Sequence[int], slots: Sequence[int], lengths: Sequence[int]) -> Tensor:
        batch = _power_of_two(len(ids), 1)
        reach = min(_power_of_two(max(lengths) + 1, _SMALLEST_REACH), self._cache.window)
        if (batch, reach) not in self._steps:
            self._steps[batch, reach] = self.record(batch, reach)
        # Rows that fill the batch do what row 0 does: they write the same to the same place.
        filler = batch - len(ids)
        rows = [[*row, *[row[0]] * filler] for row in (ids, slots, lengths)]
        step = self._steps[batch, reach]
        values = torch.tensor(rows, pin_memory=self._language.device.type == "cuda")
        step.inputs.copy_(values, non_blocking=True)
        step.replay()
        return step.logits[: len(ids)]

    def record(self, batch: int, reach: int) -> RecordedStep:
        """Runs the step a few times, so that libraries are set up, and records it.

        It runs on the last position of the spare slot, where idle work never comes.
        """
        language, cache = self._language, self._cache
        inputs = torch.zeros((3, batch), dtype=torch.long, device=language.device)
        inputs[1], inputs[2] = cache.slots - 1, cache.window - 1

        def step() -> Tensor:
            states = language.decode_padded(inputs[0], cache, inputs[1], inputs[2], reach)
            return language.logits(states)

        stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            logits = step()
        return RecordedStep(graph.replay, inputs, logits)


@dataclass(slots=True)
class RecordedStep:
    replay: Callable[[], None]
    inputs: Tensor  # (3, b): ids, slots, positions
    logits: Tensor  # (b, vocab_size)


def _power_of_two(number: int, at_least: int) -> int:
    return max(at_least, 1 << (number - 1).bit_length())
