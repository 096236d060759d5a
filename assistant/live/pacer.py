"""Audio on its way to a listener who plays it in real time, such as a telephone.

    put --> [ kept: sent, not yet played | waiting ] --> next(), a frame when it is due

A frame is due `ahead_s` before the listener will play it; the listener holds what it was sent and
can only drop all of it at once. So what was sent and not played is kept here too, and is sent
again when the sound goes on after a pause.

The lead is filled at once where the sound begins. Deadlines are counted from there, so they don't
drift. A lead that was lost to a late wake-up comes back at twice the speed of playing: no burst.
"""

from __future__ import annotations

import anyio

from assistant.live.clock import Clock

KEPT_S = 2.0
"""Of what was sent, so much is kept at least: `ahead_s`, and what the listener's line may hold."""


class Pacer:
    """Positions are seconds of all sound that was ever put in; one reader calls `next`.

    `rate`: bytes a second (mu-law at 8 kHz: 8,000). `silence`: the byte that fills the last frame.
    `most_s`: so much may wait; what is put beyond it is refused.
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
        """How late the last frame was taken."""
        self._clock = clock
        self._rate = rate
        self._frame = round(frame_s * rate)
        self._ahead_s = ahead_s
        self._silence = silence
        self._most = int(most_s * rate)
        self._kept = bytearray()
        self._start = 0  # position of the first byte kept; all positions inside are in bytes
        self._sent = 0
        self._heard = 0  # what the listener has played at least
        self._zero: float | None = None  # the time at which position 0 would have been played
        self._run = 0  # position at which the sound that plays now began
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
        """How far the listener has come; by the clock, corrected by what it echoes."""
        return self._played / self._rate

    @property
    def waiting(self) -> bool:
        """Whether a frame is still to be sent."""
        return self._end - self._sent >= self._frame

    @property
    def paused(self) -> bool:
        return self._paused

    def put(self, sound: bytes) -> bool:
        """At the end of what plays. False: too much waits, and it was not taken."""
        if len(self._kept) + len(sound) > self._most:
            return False
        self._add(sound)
        return True

    def fill(self) -> None:
        """Nothing follows for now: a rest that is no whole frame is sent, with silence after it."""
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
        """No frame from here on; the listener is told to drop what it holds, which will be sent
        again.
        """
        if self._paused:
            return
        self._heard = self._played
        unheard = -(-(self._sent - self._heard) // self._frame) * self._frame
        self._sent = max(self._sent - unheard, self._start)
        self._zero = None
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._ready = self._clock.now()
        self._wake.set()

    def clear(self) -> None:
        """Forgets all sound. Positions go on from the end of what was put in."""
        self._start = self._sent = self._heard = self._end
        self._kept.clear()
        self._zero = None
        self._paused = False

    def echoed(self, position_s: float) -> None:
        """The listener has played the sound up to there just now."""
        position = round(position_s * self._rate)
        if self._zero is None or not self._run <= position <= self._sent:
            return
        self._heard = max(self._heard, position)
        self._lag = max(0.0, self._clock.now() - self._zero - position_s)

    @property
    def _end(self) -> int:
        return self._start + len(self._kept)

    @property
    def _played(self) -> int:
        if self._zero is not None:
            reached = int((self._clock.now() - self._zero - self._lag) * self._rate)
            self._heard = max(self._heard, min(reached, self._sent))
        return self._heard

    def _add(self, sound: bytes) -> None:
        if not self.waiting:
            self._ready = self._clock.now()
        self._kept += sound
        self._wake.set()

    @property
    def _dry(self) -> bool:
        """Whether the listener has nothing to play."""
        return self._zero is None or self._clock.now() >= self._zero + self.sent_s

    def _due(self) -> float:
        if self._dry:
            return self._clock.now()
        due = self._scheduled()
        return due if due == self._began else max(due, self._last + self._frame / self._rate / 2)

    @property
    def _began(self) -> float:
        """When the sound that plays now began to."""
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
        if old > self._rate:  # a second at a time: moving the rest costs
            del self._kept[:old]
            self._start += old
