"""One Euler step of a chunk with shapes that a GPU can record: it is replayed for every step.

Everything that differs between steps, streams and voices is copied to one place before each replay:
the time's modulations, and the keys and values that the chunk attends to. Attention over prompt and
history copies on a GPU anyway, to join them. The place holds a multiple of 128 frames, and unused
ones are masked, so that one recording serves voices and histories of any length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from assistant.engines.nn.cuda_graphs import Recording, Recordings, Work, power_of_two
from assistant.engines.token2wav.flow.attention_cache import HALVES, EstimatorCache, StreamCaches
from assistant.engines.token2wav.flow.estimator import Estimator, StepTime, modulations
from assistant.engines.token2wav.flow.shape import FlowShape

_ROOM = 128

Advance = Callable[[Tensor, Tensor, Tensor], Tensor]
"""x, velocities and the span of a step -> x after it."""


@dataclass(frozen=True)
class StepPlace(StreamCaches):
    """The place of one step's inputs, for a batch of streams; it serves as the caches of
    that step.
    """

    x: Tensor  # (streams, frames, mel)
    condition: Tensor  # (streams, halves, frames, hidden)
    span: Tensor  # ()
    blocks: Tensor  # as in StepTime
    final: Tensor
    mask: Tensor  # (streams, 1, 1, room): 0, or -inf at empty places
    keys: Tensor  # (streams, depth, halves * heads, room, head width): the chunk's at the end
    values: Tensor
    edges: Tensor  # (streams, depth, convolutions, halves, 2, hidden)

    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def attend(self, step: int, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        keys, values = self.keys[:, layer], self.values[:, layer]
        keys[:, :, -k.shape[2] :] = k
        values[:, :, -v.shape[2] :] = v
        return functional.scaled_dot_product_attention(
            q, keys, values, attn_mask=self.mask, scale=1.0
        )

    def behind(self, step: int, layer: int, which: int, x: Tensor) -> Tensor:
        edge = self.edges[:, layer, which]  # (streams, halves, 2, hidden)
        x = torch.cat([edge.flatten(0, 1), x], dim=1)
        edge.copy_(x[:, -2:].view_as(edge))
        return x

    def fill(self, row: int, step: int, cache: EstimatorCache) -> None:
        """Copies the frames that a stream attends to. The rest is set to zero: it is masked, but 0
        * NaN would be NaN, and the place may hold another stream's frames.
        """
        frames, room = self.x.shape[1], self.keys.shape[3]
        at = 0
        for keys, values in cache.past(step, frames):
            end = at + keys.shape[2]
            self.keys[row, :, :, at:end].copy_(keys)
            self.values[row, :, :, at:end].copy_(values)
            at = end
        self.keys[row, :, :, at : room - frames].zero_()
        self.values[row, :, :, at : room - frames].zero_()
        self.edges[row].copy_(cache.edges[step])

    def keep(self, row: int, step: int, cache: EstimatorCache) -> None:
        """Puts what the step leaves behind into the stream's cache."""
        frames = self.x.shape[1]
        cache.keep(step, self.keys[row, :, :, -frames:], self.values[row, :, :, -frames:])
        cache.edges[step].copy_(self.edges[row])

    def show(self, row: int, filled: int) -> None:
        """Masks all but the first `filled` frames of the past, and the chunk."""
        past = self.keys.shape[3] - self.x.shape[1]
        self.mask[row].zero_()
        self.mask[row, :, :, filled:past] = -torch.inf


class RecordedSteps:
    """Records of the Euler steps of an estimator. Not for several threads at once."""

    def __init__(
        self, shape: FlowShape, estimator: Estimator, advance: Advance, recordings: Recordings
    ) -> None:
        self._shape, self._estimator, self._advance = shape, estimator, advance
        self.recordings = recordings
        self._rooms: dict[int, Tensor] = {}
        """Keys and values by rows, which recordings share, because chunks run one after another."""

    def chunk(self, condition: Tensor, caches: Sequence[EstimatorCache]) -> RecordedChunk | None:
        """None: not recorded. condition: (streams, halves, frames, hidden)."""
        frames = condition.shape[2]
        rows = power_of_two(len(caches))
        room = -(-max(cache.reach(frames) for cache in caches) // _ROOM) * _ROOM
        if math.prod(self._size(rows, room)) * condition.itemsize > self.recordings.most_bytes:
            return None
        recording = self.recordings.find(
            (rows, frames, room), lambda: self._prepare(rows, room, condition)
        )
        if recording is None:
            if self.recordings.failed:
                self._rooms.clear()
            return None
        place = StepPlace(*recording.inputs)
        place.condition[: len(caches)].copy_(condition)
        for row, cache in enumerate(caches):
            place.show(row, cache.reach(frames) - frames)
        return RecordedChunk(self.recordings, recording, place, caches)

    def _prepare(self, rows: int, room: int, like: Tensor) -> tuple[tuple[Tensor, ...], Work]:
        shape, frames, time = self._shape, like.shape[2], self._estimator.times[0]
        keys, values = self._room(rows, room, like)
        place = StepPlace(
            x=like.new_zeros(rows, frames, shape.mel, dtype=torch.float32),
            condition=like.new_zeros(rows, *like.shape[1:]),
            span=like.new_zeros((), dtype=torch.float32),
            blocks=time.blocks.clone(),
            final=time.final.clone(),
            mask=like.new_zeros(rows, 1, 1, room),
            keys=keys,
            values=values,
            edges=like.new_zeros(rows, shape.depth, 2, HALVES, 2, shape.hidden),
        )
        by = modulations(place.blocks)

        def step() -> tuple[Tensor, ...]:
            velocities = self._estimator.velocity(
                place.x, place.condition, by, place.final, 0, place
            )
            return (self._advance(place.x, velocities, place.span),)

        return place.tensors(), step

    def _room(self, rows: int, room: int, like: Tensor) -> Tensor:
        size = self._size(rows, room)
        flat = self._rooms.get(rows)
        if flat is None or flat.numel() < math.prod(size):
            flat = self._rooms[rows] = like.new_zeros(math.prod(size))
        return flat[: math.prod(size)].view(size)

    def _size(self, rows: int, room: int) -> tuple[int, ...]:
        """Returns the size of keys and values: (2, rows, depth, halves * heads, frames, head
        width).
        """
        shape = self._shape
        return 2, rows, shape.depth, HALVES * shape.estimator_heads, room, shape.head_width


@dataclass(frozen=True)
class RecordedChunk:
    """The recorded step, set up for one chunk of some streams."""

    recordings: Recordings
    recording: Recording
    place: StepPlace
    caches: Sequence[EstimatorCache]

    def step(self, x: Tensor, step: int, span: float, time: StepTime) -> Tensor | None:
        """x (streams, frames, mel) after the step. None: it failed, and no cache has changed."""
        place, streams = self.place, len(self.caches)
        place.x[:streams].copy_(x)
        place.span.fill_(span)
        place.blocks.copy_(time.blocks)
        place.final.copy_(time.final)
        for row, cache in enumerate(self.caches):
            place.fill(row, step, cache)
        if not self.recordings.replay(self.recording):
            return None
        for row, cache in enumerate(self.caches):
            place.keep(row, step, cache)
        return self.recording.outputs[0][:streams].clone()
