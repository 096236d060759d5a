"""A jitter buffer: packets of audio in their order, whatever the network did to them.

A missing packet is waited for until `waiting` newer ones are there; then silence takes its place,
and it is dropped if it still comes. Sequence numbers are the sender's, so they are believed within
limits only: a number that is further than `reach` packets from the expected one starts a new
sequence (a wrap, a restart, an error), whose audio follows at once, without a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assistant.audio.samples import Pcm16

_LATE_IN_A_ROW = 10  # after this many, the numbers are wrong


@dataclass(slots=True)
class PacketCounts:
    """Counts of a connection's packets, for metrics."""

    received: int = 0
    lost: int = 0  # packets replaced by silence
    dropped: int = 0  # duplicate or late packets
    restarts: int = 0  # of the numbers


class JitterBuffer:
    """Orders one stream. Holds fewer than `waiting` packets, and adds at most `reach` of silence at
    a time.

    Packets are `packet_samples` long; another length plays as it is, but silence for a lost one is
    of the wrong length then.
    """

    def __init__(
        self, packet_samples: int, *, step: int = 1, waiting: int = 3, reach: int = 50
    ) -> None:
        """`step` is the difference between the numbers of two packets: 1 if counted, 20 if in
        milliseconds.

        For packets of 20 ms, the defaults wait for 60 ms and believe a gap of one second.
        """
        self.counts = PacketCounts()
        self._packet_samples = packet_samples
        self._step, self._waiting, self._reach = step, waiting, reach
        self._expected: int | None = None  # the number after that of the last packet played
        self._held: dict[int, Pcm16] = {}  # packets by number
        self._late = 0  # packets in a row

    def put(self, number: int, samples: Pcm16) -> Pcm16:
        """Takes a packet; the samples that are in order now, often those of this packet."""
        self.counts.received += 1
        ready = []
        if self._is_beginning(number):
            ready = self._release(1)
            self._expected = number
        if self._distance(number) < 0 or number in self._held:
            self._late += 1
            self.counts.dropped += 1
        else:
            self._late = 0
            self._held[number] = samples
        return self._joined(ready + self._release(self._waiting))

    def flush(self) -> Pcm16:
        """Returns what is buffered, at the end of the stream."""
        return self._joined(self._release(1))

    def _is_beginning(self, number: int) -> bool:
        if self._expected is None:
            return True
        if abs(self._distance(number)) <= self._reach and self._late < _LATE_IN_A_ROW:
            return False
        self._late = 0
        self.counts.restarts += 1
        return True

    def _distance(self, number: int) -> int:
        """Packets from the expected one to this, rounded: timestamps may be a little off."""
        expected = number if self._expected is None else self._expected
        return (2 * (number - expected) + self._step) // (2 * self._step)

    def _release(self, waiting: int) -> list[Pcm16]:
        """The packets that follow one another; over a gap, if `waiting` lie beyond it."""
        ready = []
        while self._held:
            number = min(self._held)
            gap = max(0, self._distance(number))
            if gap and len(self._held) < waiting:
                break
            if gap:
                self.counts.lost += gap
                ready.append(np.zeros(gap * self._packet_samples, np.int16))
            ready.append(self._held.pop(number))
            self._expected = number + self._step
        return ready

    @staticmethod
    def _joined(ready: list[Pcm16]) -> Pcm16:
        return np.concatenate(ready) if ready else np.zeros(0, np.int16)
