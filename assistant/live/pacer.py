"""Paces audio for a listener who plays it in real time, such as a telephone.

    put --> [ retained: sent, not yet played | waiting ] --> next(), a frame when it is due

A frame is due `ahead_s` before the listener will play it. The listener buffers what it was sent and
can only drop all of it at once. So audio that was sent and not played is retained here, too, and is
sent again when the audio resumes after a pause.

The lead is filled at once when the audio begins. Deadlines are counted from there, so they don't
drift. A lead that was lost to a late wake-up is refilled at twice the speed of playing, without a
burst.
"""

from __future__ import annotations

import anyio

from assistant.live.clock import Clock

KEPT_S = 2.0
"""Sent audio that is retained, in seconds: at least `ahead_s`, plus what the network may hold."""


class Pacer:
    """Paces one stream of audio. Positions are seconds of all audio that was ever put in.

    `rate`: bytes per second (mu-law at 8 kHz: 8,000). `silence`: the byte that fills the last
    frame. `most_s`: how much audio may wait, in seconds; more is refused. One reader calls `next`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        rate: int = 8_000,
        frame_s: float = 0.02,
        ahead_s: float = 0.4,
        silence: bytes = b"\xff",
        most_s: float = 600.0,
    ) -> None:
        self.late_s = 0.0
        """How late the last frame was taken, in seconds."""
        self._clock = clock
        self._rate = rate
        self._frame = round(frame_s * rate)
        self._ahead_s = ahead_s
        self._silence = silence
        self._most = int(most_s * rate)
        self._kept = bytearray()
        self._start = 0  # position of the first byte kept; all positions inside are in bytes
        self._sent = 0
        self._played_least = 0  # the least that the listener has played
        self._zero: float | None = None  # the time at which position 0 would have been played
        self._run = 0  # position at which the audio that plays now began
        self._last = 0.0  # when the last frame was taken
        self._ready = 0.0  # since when the next frame could have been taken
        self._lag = 0.0
        self._paused = False
        self._wake = anyio.Event()

    @property
    def put_s(self) -> float:
        """The end of what was put in."""
        return self._end / self._rate

    @property
    def sent_s(self) -> float:
        return self._sent / self._rate

    @property
    def played_s(self) -> float:
        """The position that the listener plays, by the clock, corrected by what it echoes."""
        return self._played / self._rate

    @property
    def waiting(self) -> bool:
        """True if a frame is still to be sent."""
        return self._end - self._sent >= self._frame

    @property
    def paused(self) -> bool:
        return self._paused

    def put(self, audio: bytes) -> bool:
        """Adds audio at the end. Returns False, without taking it, if too much waits already."""
        if len(self._kept) + len(audio) > self._most:
            return False
        self._add(audio)
        return True

    def fill(self) -> None:
        """Completes the last frame with silence, so that it is sent: nothing follows for now."""
        missing = (self._sent - self._end) % self._frame
        self._add(self._silence * missing)

    async def next(self) -> bytes:
        """The next frame, once it is due."""
        while True:
            if self._paused or not self.waiting:
                self._wake = anyio.Event()
                await self._wake.wait()
                continue
            due = self._due()
            if due <= self._clock.now():
                return self._take()
            await self._clock.sleep_until(due)

    def pause(self) -> None:
        """Stops sending. The listener must drop what it buffers, which is sent
        again by `resume`.
        """
        if self._paused:
            return
        self._played_least = self._played
        unplayed = -(-(self._sent - self._played_least) // self._frame) * self._frame
        self._sent = max(self._sent - unplayed, self._start)
        self._zero = None
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._ready = self._clock.now()
        self._wake.set()

    def clear(self) -> None:
        """Drops all audio. Positions go on from the end of what was put in."""
        self._start = self._sent = self._played_least = self._end
        self._kept.clear()
        self._zero = None
        self._paused = False

    def echoed(self, position_s: float) -> None:
        """Notes that the listener has just played the audio up to that position."""
        position = round(position_s * self._rate)
        if self._zero is None or not self._run <= position <= self._sent:
            return
        self._played_least = max(self._played_least, position)
        self._lag = max(0.0, self._clock.now() - self._zero - position_s)

    @property
    def _end(self) -> int:
        return self._start + len(self._kept)

    @property
    def _played(self) -> int:
        if self._zero is not None:
            reached = int((self._clock.now() - self._zero - self._lag) * self._rate)
            self._played_least = max(self._played_least, min(reached, self._sent))
        return self._played_least

    def _add(self, audio: bytes) -> None:
        if not self.waiting:
            self._ready = self._clock.now()
        self._kept += audio
        self._wake.set()

    @property
    def _dry(self) -> bool:
        """Returns whether the listener has nothing to play."""
        return self._zero is None or self._clock.now() >= self._zero + self.sent_s

    def _due(self) -> float:
        if self._dry:
            return self._clock.now()
        due = self._scheduled()
        return due if due == self._began else max(due, self._last + self._frame / self._rate / 2)

    @property
    def _began(self) -> float:
        """Returns the time at which the audio that plays now began to play."""
        assert self._zero is not None
        return self._zero + self._run / self._rate

    def _scheduled(self) -> float:
        """When the next frame should be taken, if nothing ever came late."""
        if self._zero is None:
            return self._ready
        return max(self._began, self._zero + self.sent_s - self._ahead_s, self._ready)

    def _take(self) -> bytes:
        now = self._last = self._clock.now()
        self.late_s = now - self._scheduled()
        if self._dry:
            self._zero, self._run = now - self.sent_s, self._sent
        at = self._sent - self._start
        frame = bytes(self._kept[at : at + self._frame])
        self._sent += self._frame
        self._forget()
        return frame

    def _forget(self) -> None:
        old = min(self._played, self._sent - int(KEPT_S * self._rate)) - self._start
        old -= old % self._frame
        if old > self._rate:  # a second at a time, since moving the rest takes time
            del self._kept[:old]
            self._start += old
