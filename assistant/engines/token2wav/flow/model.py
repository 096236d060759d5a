"""Conditional flow matching from speech tokens to mel frames, in the timbre of a prompt.

An ordinary differential equation carries noise to a mel spectrogram in a few Euler steps; the
conformer encodes the tokens, the estimator returns the velocity (CosyVoice 2, arXiv:2412.10117).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from assistant.engines.nn.cuda_graphs import Graphs, Recordings
from assistant.engines.token2wav.flow.attention_cache import (
    EstimatorCache,
    Frames,
    RaggedCaches,
    StreamCache,
)
from assistant.engines.token2wav.flow.conformer import Conformer, ConformerCache
from assistant.engines.token2wav.flow.estimator import Estimator
from assistant.engines.token2wav.flow.graph_steps import RecordedChunk, RecordedSteps
from assistant.engines.token2wav.flow.shape import FlowShape

_NOISE_SECONDS = 600
_FRAMES_A_SECOND = 50


@dataclass(frozen=True)
class FlowPrompt:
    """All that the flow remembers of a voice's prompt. Made once a voice, shared, never changed."""

    tokens: int
    frames: int
    speaker: Tensor  # (1, mel): projected
    conformer: ConformerCache
    estimator: Frames
    edges: Tensor

    @property
    def nbytes(self) -> int:
        return self.conformer.nbytes + self.estimator.nbytes + self.edges.nbytes


@dataclass
class FlowState:
    """The state of one stream: the prompt, and the newest chunks beside it."""

    prompt: FlowPrompt
    conformer: ConformerCache
    estimator: EstimatorCache

    @property
    def nbytes(self) -> int:
        """The bytes of its own state, without the prompt's."""
        own = self.estimator.own
        used = min(self.estimator.stored, own.count) / own.count
        return int(own.nbytes * used) + self.estimator.edges.nbytes + self.conformer.nbytes


class Flow(nn.Module):
    """Parameter names are those of flow.pt. Call `pack` after the weights are loaded."""

    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        self.shape = shape
        self.input_embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.spk_embed_affine_layer = nn.Linear(shape.speaker, shape.mel)
        self.encoder = Conformer(shape)
        self.encoder_proj = nn.Linear(shape.width, shape.mel)
        self.decoder = nn.ModuleDict({"estimator": Estimator(shape)})
        self.recorded: RecordedSteps | None = None

    @property
    def estimator(self) -> Estimator:
        estimator = self.decoder["estimator"]
        assert isinstance(estimator, Estimator)
        return estimator

    def pack(
        self, *, steps: int = 10, guidance: float = 0.7, dtype: torch.dtype = torch.float32
    ) -> None:
        """Fixes the number of Euler steps and the estimator's precision, and drops what is unused
        then.

        The times are t = 1 - cos(pi/2 * k/steps): short steps first, where the path bends.
        """
        spans = [1 - math.cos(math.pi / 2 * k / steps) for k in range(steps + 1)]
        self.guidance = guidance
        self.steps = [end - start for start, end in pairwise(spans)]
        device = self.encoder_proj.weight.device
        self.eval().requires_grad_(False)
        self.estimator.pack(torch.tensor(spans[:-1], device=device), dtype)
        self.use_noise(_fixed_noise(self.shape.mel).to(device))

    def record(self, graphs: Graphs) -> None:
        """Lets Euler steps of chunks be recorded by shape and replayed from now on."""
        self.recorded = RecordedSteps(
            self.shape, self.estimator, self._advance, Recordings("token2wav: flow", graphs)
        )

    def use_noise(self, noise: Tensor) -> None:
        """The starting noise (frames, mel), counted from the start of the prompt."""
        self.noise = noise

    def prepare(self, tokens: Tensor, mel: Tensor, speaker: Tensor) -> FlowPrompt:
        """Runs the prompt once: tokens (1, n), mel (1, frames, bins), speaker embedding (1, size).

        The prompt's first tokens serve as its look-ahead, as the reference has it.
        """
        ahead = tokens.repeat(1, -(-self.shape.look_ahead // tokens.shape[1]) + 1)
        tokens = torch.cat([tokens, ahead[:, : self.shape.look_ahead]], dim=1)
        mu, conformer = self.encode(tokens, None, last=False)
        frames = mu.shape[1]
        voice = self.project_speaker(speaker)
        cache = EstimatorCache.start(self.shape, len(self.steps), frames, self.like)
        self.solve(mu, voice, mel[:, :frames], [cache], [0])
        return FlowPrompt(
            frames // self.shape.up_rate, frames, voice, conformer, cache.own, cache.edges
        )

    def begin(self, prompt: FlowPrompt, *, newest: int) -> FlowState:
        """Returns a new state in the prompt's voice that retains its own `newest` frames."""
        keys = prompt.estimator.keys
        own = Frames.empty(self.shape, len(self.steps), newest, keys)
        cache = EstimatorCache(prompt.estimator, own, prompt.edges.clone())
        return FlowState(prompt, prompt.conformer, cache)

    def chunk(
        self, tokens: Sequence[Tensor], states: Sequence[FlowState], *, last: bool, newest: int
    ) -> Tensor:
        """Returns the next frames of each stream: (streams, frames, mel).

        tokens: one (1, n) for each stream, all of one length. Unless `last`, their last
        `look_ahead` are only looked at, and sent again with the next chunk. `newest`: frames of
        history that the conformer retains besides the prompt.
        """
        encoded = []
        for these, state in zip(tokens, states, strict=True):
            mu, cache = self.encode(these, state.conformer, last=last)
            rate = self.shape.up_rate
            state.conformer = cache.trimmed(state.prompt.tokens, newest // rate, rate)
            encoded.append(mu)
        mu = torch.cat(encoded)
        voices = torch.cat([state.prompt.speaker for state in states])
        starts = [state.prompt.frames + state.estimator.stored for state in states]
        caches = [state.estimator for state in states]
        mel = self.solve(mu, voices, None, caches, starts, again=not last)
        for state in states:
            state.estimator.advance(mel.shape[1])
        return mel

    def encode(
        self, tokens: Tensor, cache: ConformerCache | None, last: bool
    ) -> tuple[Tensor, ConformerCache]:
        h, cache = self.encoder(self.input_embedding(tokens), cache, last)
        return self.encoder_proj(h), cache

    def project_speaker(self, speaker: Tensor) -> Tensor:
        y: Tensor = self.spk_embed_affine_layer(functional.normalize(speaker, dim=1))
        return y

    @property
    def like(self) -> Tensor:
        """A tensor with the estimator's precision and device."""
        return self.estimator.project_rest.bias

    def solve(
        self,
        mu: Tensor,
        voices: Tensor,
        known: Tensor | None,
        caches: Sequence[StreamCache],
        starts: Sequence[int],
        *,
        again: bool = False,
    ) -> Tensor:
        """Euler steps from the noise at each stream's place; `known` are mel frames given.

        again: chunks of this length will come again, and are worth recording.
        """
        frames = mu.shape[1]
        given = torch.zeros_like(mu)
        if known is not None:
            given[:, : known.shape[1]] = known
        x = torch.stack([self._noise_at(start, frames) for start in starts])
        condition = self.estimator.condition(mu, voices, given)
        chunk = self._recorded(condition, caches) if again else None
        one_by_one = RaggedCaches(caches)
        for step, span in enumerate(self.steps):
            after = chunk.step(x, step, span, self.estimator.times[step]) if chunk else None
            if (
                after is None
            ):  # not recorded, or recording failed on the GPU: computed here from now on
                chunk = None
                after = self._advance(x, self.estimator(x, condition, step, one_by_one), span)
            x = after
        return x

    def _recorded(self, condition: Tensor, caches: Sequence[StreamCache]) -> RecordedChunk | None:
        own = [cache for cache in caches if isinstance(cache, EstimatorCache)]
        if self.recorded is None or len(own) < len(caches):
            return None
        return self.recorded.chunk(condition, own)

    def _advance(self, x: Tensor, velocities: Tensor, span: Tensor | float) -> Tensor:
        v, without = velocities.float().unbind(1)
        return x + span * ((1 + self.guidance) * v - self.guidance * without)

    def _noise_at(self, start: int, frames: int) -> Tensor:
        """Returns noise from the buffer, which starts again at its end."""
        index = torch.arange(start, start + frames, device=self.noise.device)
        return self.noise[index % self.noise.shape[0]]


def _fixed_noise(bins: int) -> Tensor:
    """Returns the same noise in every process, so that equal tokens lead to equal audio."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(_NOISE_SECONDS * _FRAMES_A_SECOND, bins, generator=generator)
