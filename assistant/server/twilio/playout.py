"""Playout: the audio on its way to a caller, and how much of it was played.

24 kHz --> 8 kHz --> mu-law --> Pacer --> media messages, a mark now and then
                                  ^                             |
                                  +------ the mark comes back --+
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import numpy as np
import soxr

from assistant.audio.g711 import MU_LAW
from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.live.clock import Clock, wait_until
from assistant.live.pacer import Pacer
from assistant.server.twilio.frames import SAMPLE_RATE, Wire

MARK_S = 0.5
"""The time from one mark to the next, in seconds."""
GRACE_S = 2.0
"""How late the mark at the end of all audio may be, in seconds."""
MOST_MARKS = 64


NOTHING = np.zeros(0, np.int16)


def _resampler() -> soxr.ResampleStream:
    # Unlike the speech detector's, it costs next to nothing for seconds of audio at once, and may
    # hold some of it back: nobody waits for the end of a chunk.
    return soxr.ResampleStream(OUTPUT_RATE, SAMPLE_RATE, 1, dtype="int16")


class Outlet(Protocol):
    """The receiver of messages: a Socket."""

    def send(self, text: str) -> None: ...
    async def room(self) -> None: ...


@dataclass
class _Piece:
    """The audio of one response, or the call's own (no id)."""

    response_id: str
    start_s: float  # where it begins, as the pacer counts
    encoded_s: float = 0.0
    over: bool = False
    resampler: soxr.ResampleStream = field(default_factory=_resampler)

    def encode(self, samples: Pcm16, *, last: bool = False) -> bytes:
        """Returns mu-law at 8 kHz; the resampler's delay, some 30 ms, comes with
        the next samples.
        """
        self.encoded_s += len(samples) / OUTPUT_RATE
        return MU_LAW.encode(self.resampler.resample_chunk(samples, last=last))

    def played_s(self, position_s: float) -> float:
        return min(max(position_s - self.start_s, 0.0), self.encoded_s)


class Playout:
    """One call's. `late`: told of each frame how late it was sent, in seconds."""

    def __init__(
        self, outlet: Outlet, wire: Wire, clock: Clock, late: Callable[[float], None]
    ) -> None:
        self._outlet = outlet
        self._wire = wire
        self._clock = clock
        self._late = late
        self._pacer = Pacer(clock, rate=SAMPLE_RATE)
        self._pieces: list[_Piece] = []  # the last one is generated, the first one played
        self._marks: dict[str, float] = {}  # sent and not returned yet: position
        self._marked_s = 0.0
        self._count = 0
        self._all_played = anyio.Event()

    async def run(self) -> None:
        """Sends what is due, until it is cancelled."""
        while True:
            frame = await self._pacer.next()
            self._late(self._pacer.late_s)
            self._outlet.send(self._wire.media(frame))
            if not self._pacer.waiting or self._pacer.sent_s >= self._marked_s + MARK_S:
                self._mark()
            await self._outlet.room()

    def put(self, response_id: str, samples: Pcm16) -> bool:
        """Adds audio of a response, 24 kHz. Returns False, and drops it, if too
        much waits already.
        """
        return self._pacer.put(self._piece(response_id).encode(samples))

    def end(self, response_id: str) -> None:
        """Ends the audio of a response."""
        if self._pieces and self._pieces[-1].response_id == response_id:
            self._finish(self._pieces[-1])

    def pause(self) -> None:
        """Pauses at once; `resume` continues at the same place."""
        if not self._pacer.paused:
            self._pacer.pause()
            self._silence()

    def resume(self) -> None:
        self._pacer.resume()

    def drop(self) -> None:
        """Silence at once, and nothing of it any more."""
        if self._pacer.played_s < self._pacer.sent_s:
            self._silence()
        self._pacer.clear()
        self._pieces.clear()

    def echoed(self, name: str) -> None:
        """A mark has come back. Those from before a `clear` say nothing."""
        position = self._marks.pop(name, None)
        if position is not None:
            self._pacer.echoed(position)
            if position >= self._pacer.put_s:
                self._all_played.set()

    def played_by_response(self) -> Iterator[tuple[str, float]]:
        """Yields the id of each response that plays, and how many seconds of it were played."""
        position_s = self._pacer.played_s
        while self._pieces:
            piece = self._pieces[0]
            yield piece.response_id, piece.played_s(position_s)
            if not piece.over or piece.played_s(position_s) < piece.encoded_s:
                return
            self._pieces.pop(0)

    def share(self, response_id: str) -> float:
        """Returns the share of a response that was played, 0 to 1; 1 if that response is not
        playing.
        """
        position_s = self._pacer.played_s
        for piece in self._pieces:
            if piece.response_id == response_id and piece.encoded_s:
                return piece.played_s(position_s) / piece.encoded_s
        return 1.0

    async def finished(self) -> None:
        """Returns once everything was played: its last mark has come back, or should have."""
        for piece in self._pieces:
            self._finish(piece)
        self._all_played = anyio.Event()
        left_s = self._pacer.put_s - self._pacer.played_s
        if left_s > 0.0:
            await wait_until(self._all_played, self._clock, self._clock.now() + left_s + GRACE_S)

    def _piece(self, response_id: str) -> _Piece:
        if (
            self._pieces
            and self._pieces[-1].response_id == response_id
            and not self._pieces[-1].over
        ):
            return self._pieces[-1]
        if self._pieces:
            self._finish(self._pieces[-1])
        self._pieces.append(_Piece(response_id, self._pacer.put_s))
        return self._pieces[-1]

    def _finish(self, piece: _Piece) -> None:
        if not piece.over:
            piece.over = True
            self._pacer.put(piece.encode(NOTHING, last=True))
            self._pacer.fill()

    def _silence(self) -> None:
        self._marks.clear()
        self._outlet.send(self._wire.clear)

    def _mark(self) -> None:
        self._count += 1
        name = str(self._count)
        self._marked_s = self._marks[name] = self._pacer.sent_s
        if len(self._marks) > MOST_MARKS:
            del self._marks[next(iter(self._marks))]
        self._outlet.send(self._wire.mark(name))
