"""One decoding step of a batch, by the path that is fastest on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from assistant.engines.nn.cuda_graphs import CudaGraphs, Graphs, Recordings, Work, power_of_two
from assistant.engines.step_audio_2.kv_cache import KeyValueCache
from assistant.engines.step_audio_2.language import LanguageModel

_SMALLEST_REACH = 512


class Decoder:
    """Writes into one cache. On a GPU, steps are recorded once a shape and replayed."""

    def __init__(
        self, language: LanguageModel, cache: KeyValueCache, graphs: Graphs | None = None
    ) -> None:
        self._language, self._cache = language, cache
        if graphs is None and language.device.type == "cuda":
            graphs = CudaGraphs(language.device)
        self.steps = Recordings("language model", graphs, worth=1) if graphs else None
        """The recorded steps by batch and reach; None if steps are not recorded."""

    def prefill(self, x: Tensor, slot: int, start: int) -> Tensor:
        """Embeddings (t, hidden) to states (t, hidden)."""
        return self._language.prefill(x, self._cache, slot, start)

    def decode(self, ids: Sequence[int], slots: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """One token after `lengths` positions of each slot; returns logits (b, vocab_size)."""
        logits = self._replayed(self.steps, ids, slots, lengths) if self.steps else None
        if logits is not None:
            return logits
        tokens = torch.tensor(ids, device=self._language.device)
        return self._language.logits(self._language.decode(tokens, self._cache, slots, lengths))

    def _replayed(
        self, steps: Recordings, ids: Sequence[int], slots: Sequence[int], lengths: Sequence[int]
    ) -> Tensor | None:
        batch = power_of_two(len(ids))
        reach = min(power_of_two(max(lengths) + 1, _SMALLEST_REACH), self._cache.window)
        step = steps.find((batch, reach), lambda: self._prepare(batch, reach))
        if step is None:
            return None
        # Rows that pad the batch repeat row 0: they write the same values to the same place.
        filler = batch - len(ids)
        rows = [[*row, *[row[0]] * filler] for row in (ids, slots, lengths)]
        values = torch.tensor(rows, pin_memory=self._language.device.type == "cuda")
        step.inputs[0].copy_(values, non_blocking=True)
        return step.outputs[0][: len(ids)] if steps.replay(step) else None

    def _prepare(self, batch: int, reach: int) -> tuple[tuple[Tensor, ...], Work]:
        """Returns the input, (3, batch) of ids, slots and positions, and the work; its output are
        logits.

        Until it is filled, the input names the last position of the spare slot, which idle work
        never reaches.
        """
        language, cache = self._language, self._cache
        inputs = torch.zeros((3, batch), dtype=torch.long, device=language.device)
        inputs[1], inputs[2] = cache.slots - 1, cache.window - 1

        def step() -> tuple[Tensor, ...]:
            states = language.decode_padded(inputs[0], cache, inputs[1], inputs[2], reach)
            return (language.logits(states),)

        return (inputs,), step
