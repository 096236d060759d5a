"""Packets of sound in their order, whatever the network did to them.

A packet that is missing is waited for until `waiting` newer ones are there; then silence takes its
place, and it is dropped if it still comes. Numbers are whatever the sender makes them, so they are
believed within reason only: one that is further than `reach` packets from what is expected is taken
for a new beginning (a wrap, a restart, nonsense), and its sound follows at once, without a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assistant.audio.samples import Pcm16

_LATE_IN_A_ROW = 10  # after so many, it is the numbers that are wrong


@dataclass(slots=True)
class PacketCounts:
    """For the figures of a connection."""

    received: int = 0
    lost: int = 0  # silence took their place
    dropped: int = 0  # came twice, or too late
    restarts: int = 0  # of the numbers


class JitterBuffer:
    """One stream. Holds fewer than `waiting` packets, and makes at most `reach` of silence a time.

    Packets are `packet_samples` long; another length is played as it is, and only the silence for
    one that is lost is wrong then.
    """

    def __init__(
        self, packet_samples: int, *, step: int = 1, waiting: int = 3, reach: int = 50
    ) -> None:
        """`step`: from one packet's number to the next's: 1 if counted, 20 if in milliseconds.

        Of packets of 20 ms, the defaults wait for 60 ms and believe a gap of a second.
        """
        self.counts = PacketCounts()
        self._packet_samples = packet_samples
        self._step, self._waiting, self._reach = step, waiting, reach
        self._expected: int | None = None  # the number after that of the last packet played
        self._held: dict[int, Pcm16] = {}  # by number
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
        """What is held, when the stream is over."""
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
