"""Picks the next token of each conversation in a batch, on the device."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from assistant.config import Sampling

_CANDIDATES = 1024
"""The candidates that are sorted first: most nuclei fit, and sorting the vocabulary takes
longer.
"""


class Sampler:
    """One conversation's way to pick: its settings, its random numbers, what it has seen."""

    def __init__(self, sampling: Sampling, *, banned: Sequence[int] = ()) -> None:
        self.temperature = sampling.temperature
        self.top_p, self.top_k = sampling.top_p, sampling.top_k
        self.penalty = sampling.repetition_penalty
        self.banned = list(banned)
        self.random = random.Random(sampling.seed)
        self._seen: Tensor | None = None

    def observe(self, ids: Sequence[int], vocab_size: int, device: torch.device) -> None:
        """These ids stand in the sequence: the repetition penalty is for them."""
        if self.penalty == 1.0:
            return
        if self._seen is None:
            self._seen = torch.zeros(vocab_size, dtype=torch.bool, device=device)
        self._seen[torch.tensor(ids, dtype=torch.long, device=device)] = True

    def adjust(self, logits: Tensor) -> None:
        """Repetition penalty (Keskar et al., 2019) and banned ids, in place on (vocab_size,)."""
        if self._seen is not None:
            lowered = torch.where(logits > 0, logits / self.penalty, logits * self.penalty)
            torch.where(self._seen, lowered, logits, out=logits)
        if self.banned:
            logits[self.banned] = -torch.inf


def pick(logits: Tensor, samplers: Sequence[Sampler]) -> list[int]:
    """(b, vocab_size) to one id a row. What a row picks doesn't depend on the other rows."""
    logits = logits.float()
    for row, sampler in enumerate(samplers):
        sampler.adjust(logits[row])
    best = logits.argmax(-1)
    warm = [row for row, sampler in enumerate(samplers) if sampler.temperature > 0]
    if warm:
        best[warm] = _draw(logits[warm], [samplers[row] for row in warm])
    return best.tolist()


def _draw(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """Draws from each row's most probable tokens: the first top_k, then the nucleus of top_p
    (Holtzman et al., 2020). One random number a row, so that a seed means the same in any batch.
    """
    device = logits.device

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None]

    chances = torch.softmax(logits / column([s.temperature for s in samplers]), -1)
    limits = column([s.top_k or logits.shape[-1] for s in samplers])
    top_p = column([s.top_p for s in samplers])
    drawn = column([s.random.random() for s in samplers])
    size = min(_CANDIDATES, logits.shape[-1])
    values, ids = chances.topk(size)
    if bool(((values.sum(-1, keepdim=True) < top_p) & (limits > size)).any()):
        values, ids = chances.sort(descending=True)
    values = values.masked_fill(torch.arange(values.shape[-1], device=device) >= limits, 0.0)
    mass = values.cumsum(-1)
    total = torch.where(limits < logits.shape[-1], mass[:, -1:], 1.0)
    kept = (mass - values < top_p * total) & (values > 0)
    mass = (values * kept).cumsum(-1)
    place = torch.searchsorted(mass, drawn * mass[:, -1:], right=True)
    last = kept.sum(-1, keepdim=True) - 1
    return ids.gather(-1, torch.minimum(place, last))[:, 0]
