"""Work of one shape, recorded on a GPU once and replayed in a single launch.

    Graphs       how work is recorded: CudaGraphs, or what a test puts in its place
    Recording    one shape: fill its inputs, replay, read its outputs
    Recordings   those of one kind of work, by shape, as many as fit
    Captured     a function of tensors, with all of this behind it

A step of many small operations is bound by how fast they are launched, not by the GPU. None of
this is needed for a right result: where something about it fails, that is said once in the log,
nothing is recorded any more, and the caller does the work itself.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

logger = logging.getLogger(__name__)
_WARM_UPS = 3
_REMEMBERED, _OFTEN = 1024, 1 << 60
_ONE_AT_A_TIME = threading.Lock()
"""Recording synchronizes the GPU and empties the allocator's cache: not from two threads."""

Work = Callable[[], tuple[Tensor, ...]]
"""Work on inputs that stay at their place (it may write to them); returns its outputs."""


class Graphs(Protocol):
    def record(self, work: Work) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        """Returns a function that runs the work again, and the outputs, which it overwrites."""
        ...


class CudaGraphs:
    """All that one of these records shares its memory: replay one at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = None
        # Memory is shared only between recordings of one stream.
        self._stream: torch.cuda.Stream | None = None

    def record(self, work: Work) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        """Runs the work a few times, so that libraries are set up, and records it.

        Raises RuntimeError: something in it can't be recorded, or no memory is left.
        """
        with _ONE_AT_A_TIME, torch.cuda.device(self._device):
            before = torch.cuda.current_stream()
            try:
                return self._recorded(work, before)
            finally:
                # A recording that failed leaves its stream behind as this thread's own, and what
                # the thread then does itself would not wait for the others' work.
                torch.cuda.set_stream(before)

    def _recorded(
        self, work: Work, before: torch.cuda.Stream
    ) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        self._stream = self._stream or torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        self._stream.wait_stream(before)
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):
                work()
        before.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # By default a recording forbids some calls to all threads: the language
        # model would fail while token2wav records, and the other way round.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            outputs = work()
        return graph.replay, outputs


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    replay: Callable[[], None]


class Recordings:
    """Recorded work by shape. Not for several threads at once: all replays share inputs and
    outputs.

    A shape is recorded when it is asked for the `worth`-th time. Beyond `at_most` recordings, or
    `most_bytes` of inputs and outputs, the one unused longest is dropped.
    """

    def __init__(
        self,
        what: str,
        graphs: Graphs,
        *,
        at_most: int = 64,
        most_bytes: int = 4 << 30,
        worth: int = 2,
    ) -> None:
        self._what, self._graphs = what, graphs
        self._at_most, self.most_bytes, self._worth = at_most, most_bytes, worth
        self._kept: OrderedDict[Hashable, Recording] = OrderedDict()
        self._asked: OrderedDict[Hashable, int] = OrderedDict()
        self.failed = False

    @property
    def shapes(self) -> list[Hashable]:
        """The shapes that are recorded, the one used last at the end."""
        return list(self._kept)

    @property
    def nbytes(self) -> int:
        """The bytes of all inputs and outputs; memory that recordings share counts once."""
        return _nbytes(t for kept in self._kept.values() for t in (*kept.inputs, *kept.outputs))

    def find(
        self, shape: Hashable, prepare: Callable[[], tuple[tuple[Tensor, ...], Work]]
    ) -> Recording | None:
        """Returns the recording, or None if the caller has to do the work itself.

        `prepare` returns the inputs' place, and work that is safe on what it holds.
        """
        if shape in self._kept:
            self._kept.move_to_end(shape)
            return self._kept[shape]
        if self.failed or not self._is_worth(shape):
            return None
        try:
            inputs, work = prepare()
            if _nbytes(inputs) > self.most_bytes:
                self._asked[shape] = -_OFTEN
                return None
            self._make_room(self._at_most - 1)
            replay, outputs = self._graphs.record(work)
        except Exception as error:  # noqa: BLE001 - after any error the work can run without graphs
            self._give_up(error)
            return None
        self._kept[shape] = Recording(inputs, outputs, replay)
        self._make_room(self._at_most)
        return self._kept.get(shape)

    def replay(self, recording: Recording) -> bool:
        """False: it failed, and the outputs hold nothing; do the work yourself."""
        try:
            recording.replay()
        except RuntimeError as error:
            self._give_up(error)
            return False
        return True

    def _is_worth(self, shape: Hashable) -> bool:
        asked = self._asked[shape] = self._asked.pop(shape, 0) + 1
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        return asked >= self._worth

    def _make_room(self, at_most: int) -> None:
        while self._kept and (len(self._kept) > at_most or self.nbytes > self.most_bytes):
            self._kept.popitem(last=False)

    def _give_up(self, error: Exception) -> None:
        self.failed = True
        self._kept.clear()
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        logger.warning("%s: no CUDA graphs from here on, only slower: %s", self._what, reason)


class Captured:
    """Records a function of tensors whose rows are independent, by shape.

    The first dimension of all inputs and outputs is the batch; it is padded to a power of two, so
    that few shapes are enough.
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]], recordings: Recordings) -> None:
        self._function, self._recordings = function, recordings

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        rows = inputs[0].shape[0]
        shapes = [(power_of_two(rows), *x.shape[1:]) for x in inputs]
        kinds = [x.dtype for x in inputs]

        def prepare() -> tuple[tuple[Tensor, ...], Work]:
            places = tuple(x.new_zeros(shape) for x, shape in zip(inputs, shapes, strict=True))
            return places, lambda: self._function(*places)

        recording = self._recordings.find((*shapes, *kinds), prepare)
        if recording is None:
            return self._function(*inputs)
        for place, x in zip(recording.inputs, inputs, strict=True):
            place[:rows].copy_(x)
        if not self._recordings.replay(recording):
            return self._function(*inputs)
        return tuple(output[:rows].clone() for output in recording.outputs)


def power_of_two(number: int, at_least: int = 1) -> int:
    """The next one that is not smaller than either."""
    return max(at_least, 1 << (number - 1).bit_length())


def _nbytes(tensors: Iterable[Tensor]) -> int:
    storages = (tensor.untyped_storage() for tensor in tensors)
    return sum({s.data_ptr(): s.nbytes() for s in storages}.values())
