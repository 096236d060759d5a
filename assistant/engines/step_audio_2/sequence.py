"""A generation: one sequence from its prompt to its last token, and the prefix that stays
cached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal

import torch
from torch import Tensor

from assistant.engines.step_audio_2.audio_pieces import encoder_log_mel
from assistant.engines.step_audio_2.model import StepAudio2Model
from assistant.engines.step_audio_2.prompt import AudioPiece, Prompt
from assistant.engines.step_audio_2.sampling import Sampler, pick
from assistant.errors import EngineError

EndReason = Literal["stop", "length", "halted", "closed"]
"""An end token; no more space or tokens; stopped by the caller; the scheduler was closed."""


@dataclass(frozen=True, slots=True)
class End:
    """The last thing in a queue of tokens."""

    reason: EndReason


class CachedPrefix:
    """The part of a conversation in the KV cache. Used by the scheduler's thread alone."""

    def __init__(self) -> None:
        self.slot: int | None = None
        self.prefix_ids: list[int] = []
        """One for each position in the slot, see Prompt.prefix_ids."""


class Generation:
    """Prefills a prompt from where the cached prefix differs, and generates tokens after it.

    Tokens, then End or an EngineError, are put into `out`; setting `stop` ends it within one token.
    """

    def __init__(
        self,
        prefix: CachedPrefix,
        prompt: Prompt,
        sampler: Sampler,
        *,
        ends: frozenset[int],
        max_tokens: int,
        stop: threading.Event | None = None,
        idle: bool = False,
        one_off: bool = False,
    ) -> None:
        self.prefix, self.prompt, self.sampler = prefix, prompt, sampler
        self.ends, self.max_tokens = ends, max_tokens
        self.stop = stop or threading.Event()
        self.idle = idle
        """Runs only while nobody waits."""
        self.one_off = one_off
        """Its conversation is over after it."""
        self.out: SimpleQueue[int | End | EngineError] = SimpleQueue()
        self.generated: list[int] = []
        self.slot = -1
        self.cached = 0  # positions in the cache, of the prompt first and then of `generated`
        self.reused = 0  # how many of them were there before
        self.rounds = 0
        self.ended = False
        self.reason: EndReason | None = None
        self.is_over = False  # for the reader of `out`
        self._halted = False
        self._embeddings: dict[int, Tensor] = {}

    def halt(self) -> None:
        """Stops the generation. Callable from any thread."""
        self._halted = True

    @property
    def halted(self) -> bool:
        return self._halted or self.stop.is_set()

    @property
    def to_prefill(self) -> int:
        """Positions of the prompt that are still to be read."""
        return max(0, len(self.prompt) - self.cached)

    def begin(self, slot: int, vocab_size: int, device: torch.device) -> None:
        self.slot = slot
        ids = self.prefix.prefix_ids
        # The last position is always prefilled: its state gives the first token.
        self.cached = self.reused = min(shared(ids, self.prompt.prefix_ids), len(self.prompt) - 1)
        del ids[self.cached :]
        self.sampler.observe(self.prompt.ids, vocab_size, device)

    def next_embeddings(self, model: StepAudio2Model, limit: int) -> Tensor:
        """Returns the embeddings of the next positions to prefill, at most `limit`: (t, hidden)."""
        start, end = self.cached, min(self.cached + limit, len(self.prompt))
        x = model.language.embed(torch.tensor(self.prompt.ids[start:end], device=model.device))
        for place, piece in self.prompt.audio:
            first, last = max(place, start), min(place + piece.patches, end)
            if first < last:
                embeddings = self._encode(model, place, piece)
                x[first - start : last - start] = embeddings[first - place : last - place]
        return x

    def _encode(self, model: StepAudio2Model, place: int, piece: AudioPiece) -> Tensor:
        if place not in self._embeddings:
            mel = encoder_log_mel(piece.samples, model.sizes.audio.n_mels)
            self._embeddings = {
                place: model.encode_audio(mel)
            }  # pieces are prefilled in order: one is enough
        return self._embeddings[place]

    def prefilled(self, count: int) -> None:
        self.prefix.prefix_ids += self.prompt.prefix_ids[self.cached : self.cached + count]
        self.cached += count
        if not self.to_prefill:
            self._embeddings = {}

    def token_cached(self) -> None:
        """The newest token is in the cache."""
        self.prefix.prefix_ids.append(self.generated[-1])
        self.cached += 1

    def take(self, token: int, vocab_size: int, device: torch.device) -> None:
        self.generated.append(token)
        self.sampler.observe([token], vocab_size, device)
        if token not in self.ends:
            self.out.put(token)

    def end(self, reason: EndReason) -> None:
        self.ended, self.reason = True, reason
        self.out.put(End(reason))

    def fail(self, error: EngineError) -> None:
        self.ended = True
        self.out.put(error)


SampleBatch = Callable[[Sequence[Generation], Tensor], list[int]]
"""Returns the next token of each generation from their logits, (b, vocab_size)."""


def sample_batch(jobs: Sequence[Generation], logits: Tensor) -> list[int]:
    """Samples the next token of each generation with its own sampler."""
    return pick(logits, [job.sampler for job in jobs])


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the beginning that both have."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
