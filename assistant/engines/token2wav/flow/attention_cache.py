"""The estimator's cache of one stream: keys, values and edges of its convolutions.

There is one set for every Euler step, layer and half of the guidance, over a megabyte per frame, so
the prompt's is computed once per voice and shared, and a stream holds only its newest frames beside
it. The estimator's attention has no positions, so frames may lie in any order: the newest overwrite
the oldest in a ring. (The reference puts the newest first, and then drops the middle as if they
were last: it retains the newest frames and the prompt's end. Here the prompt stays whole.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from assistant.engines.token2wav.flow.shape import FlowShape

HALVES = 2
"""The two halves of classifier-free guidance: with the condition and without."""


@dataclass(frozen=True)
class Frames:
    """Keys and values of some frames: each (steps, depth, halves * heads, frames, head width)."""

    keys: Tensor
    values: Tensor

    @classmethod
    def empty(cls, shape: FlowShape, steps: int, frames: int, like: Tensor) -> Frames:
        # Memory that is never written costs nothing: a short response never fills its ring.
        size = (steps, shape.depth, HALVES * shape.estimator_heads, frames, shape.head_width)
        return cls(like.new_empty(size), like.new_empty(size))

    @property
    def count(self) -> int:
        return self.keys.shape[3]

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes


class StreamCaches(Protocol):
    """The caches of all streams, as the estimator uses them at a step and a layer."""

    def attend(self, step: int, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attends over each stream's cache and its own frames, and stores k and v.

        All are (streams, halves * heads, time, head width), q already scaled, like the result.
        """
        ...

    def behind(self, step: int, layer: int, which: int, x: Tensor) -> Tensor:
        """Returns x (streams * halves, time, hidden) behind the two frames before it.

        Stores the last two frames of x for convolution `which`.
        """
        ...


class StreamCache(Protocol):
    """The cache of one stream, as RaggedCaches uses it."""

    def store(self, step: int, layer: int, keys: Tensor, values: Tensor) -> None:
        """Stores (halves * heads, frames, head width) of the current chunk."""
        ...

    def visible(self, step: int, layer: int, chunk: int) -> list[tuple[Tensor, Tensor]]:
        """Returns all keys and values that a chunk of that many frames attends to, once stored."""
        ...

    def edge(self, step: int, layer: int, which: int) -> Tensor:
        """The last two inputs of convolution `which`, to be overwritten: (halves, 2, hidden)."""
        ...


class RaggedCaches:
    """StreamCaches of streams with any pasts: each stream attends to exactly its own."""

    def __init__(self, caches: Sequence[StreamCache]) -> None:
        self._caches = caches

    def attend(self, step: int, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        outputs = []
        for index, cache in enumerate(self._caches):
            cache.store(step, layer, k[index], v[index])
            outputs.append(attend(q[index], cache.visible(step, layer, q.shape[2])))
        return outputs[0][None] if len(outputs) == 1 else torch.stack(outputs)

    def behind(self, step: int, layer: int, which: int, x: Tensor) -> Tensor:
        edges = [cache.edge(step, layer, which) for cache in self._caches]
        x = torch.cat([edges[0] if len(edges) == 1 else torch.cat(edges), x], dim=1)
        for edge, new in zip(edges, torch.split(x[:, -2:], HALVES), strict=True):
            edge.copy_(new)
        return x


class EstimatorCache:
    """One stream's cache. `advance` after every chunk, once all steps and layers have stored."""

    def __init__(self, prompt: Frames | None, own: Frames, edges: Tensor) -> None:
        self.prompt = prompt
        self.own = own
        self.edges = edges  # (steps, depth, convolutions, halves, 2, hidden): their last inputs
        self.stored = 0  # frames since the prompt

    @classmethod
    def start(cls, shape: FlowShape, steps: int, capacity: int, like: Tensor) -> EstimatorCache:
        """Nothing before: what is stored next is a prompt."""
        edges = like.new_zeros(steps, shape.depth, 2, HALVES, 2, shape.hidden)
        return cls(None, Frames.empty(shape, steps, capacity, like), edges)

    def store(self, step: int, layer: int, keys: Tensor, values: Tensor) -> None:
        start = 0
        for part in self._slots(keys.shape[1]):
            end = start + part.stop - part.start
            self.own.keys[step, layer, :, part] = keys[:, start:end]
            self.own.values[step, layer, :, part] = values[:, start:end]
            start = end

    def visible(self, step: int, layer: int, chunk: int) -> list[tuple[Tensor, Tensor]]:
        filled = min(self.stored + chunk, self.own.count)
        parts = [self.prompt] if self.prompt else []
        pairs = [(part.keys[step, layer], part.values[step, layer]) for part in parts]
        own = self.own.keys[step, layer, :, :filled], self.own.values[step, layer, :, :filled]
        return [*pairs, own]

    def edge(self, step: int, layer: int, which: int) -> Tensor:
        return self.edges[step, layer, which]

    def past(self, step: int, chunk: int) -> list[tuple[Tensor, Tensor]]:
        """Returns the keys and values that a chunk attends to besides its own, before it is stored.

        All layers at once: each (depth, halves * heads, frames, head width).
        """
        parts = [(frames.keys[step], frames.values[step]) for frames in (self.prompt,) if frames]
        for part in self._kept(chunk):
            parts.append((self.own.keys[step, :, :, part], self.own.values[step, :, :, part]))
        return parts

    def reach(self, chunk: int) -> int:
        """Returns the number of frames that a chunk attends to, its own included."""
        prompt = self.prompt.count if self.prompt else 0
        return prompt + min(self.stored + chunk, self.own.count)

    def keep(self, step: int, keys: Tensor, values: Tensor) -> None:
        """Stores like `store`, for all layers at once: (depth, halves * heads, frames, width)."""
        start = 0
        for part in self._slots(keys.shape[2]):
            end = start + part.stop - part.start
            self.own.keys[step, :, :, part] = keys[:, :, start:end]
            self.own.values[step, :, :, part] = values[:, :, start:end]
            start = end

    def advance(self, chunk: int) -> None:
        self.stored += chunk

    def _kept(self, chunk: int) -> list[slice]:
        """Returns the places of the frames that a chunk does not overwrite."""
        slots = self._slots(chunk)
        first = slots[1].stop if len(slots) > 1 else 0
        filled = min(self.stored, self.own.count)
        ranges = ((first, slots[0].start), (slots[0].stop, filled))
        return [slice(start, end) for start, end in ranges if start < end]

    def _slots(self, chunk: int) -> list[slice]:
        capacity = self.own.count
        if chunk > capacity:
            raise ValueError(f"a chunk of {chunk} frames in a cache of {capacity}")
        start = self.stored % capacity
        end = min(start + chunk, capacity)
        rest = chunk - (end - start)
        return [slice(start, end), slice(0, rest)] if rest else [slice(start, end)]


def attend(q: Tensor, parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Softmax attention of q (rows, time, width), already scaled, over all parts together.

    On a CPU the parts are not joined first: that would copy the prompt's keys at every step of
    every layer.
    """
    if len(parts) == 1 or q.device.type != "cpu":
        k, v = (
            torch.cat(tensors, dim=1) if len(parts) > 1 else tensors[0]
            for tensors in zip(*parts, strict=True)
        )
        return torch.nn.functional.scaled_dot_product_attention(
            q[None], k[None], v[None], scale=1.0
        )[0]
    scores = [torch.bmm(q, k.transpose(1, 2)) for k, _ in parts]
    top = torch.stack([s.amax(2, keepdim=True) for s in scores]).amax(0)
    weights = [s.sub_(top).exp_() for s in scores]
    total = torch.stack([w.sum(2, keepdim=True) for w in weights]).sum(0)
    y = torch.bmm(weights[0], parts[0][1])
    for w, (_, v) in zip(weights[1:], parts[1:], strict=True):
        y.baddbmm_(w, v)
    return y.div_(total)
