"""The sound of the user's turn: what came since it began, and a little from before."""

from __future__ import annotations

from collections import deque

import numpy as np

from assistant.audio.samples import Audio
from assistant.live.vad.frames import FRAME_S, Frame
from assistant.live.vad.silero import RATE

TAIL_S = 0.2
"""Kept after the last speech: its faint end, and a pause that tells that it is over."""


class Utterance:
    """Holds at most `limit_s` of sound: what is older is dropped.

    While nobody speaks it is a window of the last `prefix_s`; `begin` opens it.
    """

    def __init__(self, prefix_s: float, limit_s: float) -> None:
        self._prefix_s = prefix_s
        self._limit_s = limit_s
        self._frames: deque[Frame] = deque()
        self._speech_end = 0.0
        self._open = False
        self._pending_s = 0.0  # sound that may turn out to be the beginning

    def configure(self, prefix_s: float, limit_s: float) -> None:
        self._prefix_s, self._limit_s = prefix_s, limit_s

    def add(self, frame: Frame, *, pending: bool) -> None:
        """`pending`: perhaps the turn has begun already."""
        self._frames.append(frame)
        if frame.speech:
            self._speech_end = frame.start + FRAME_S
        self._pending_s = self._pending_s + FRAME_S if pending else 0.0
        self._trim(self._limit_s if self._open else self._prefix_s + self._pending_s)

    def _trim(self, limit_s: float) -> None:
        while len(self._frames) * FRAME_S > max(limit_s, 0.0) + 1e-6:
            self._frames.popleft()

    def begin(self) -> None:
        self._open = True

    def clear(self) -> None:
        """All of it has been taken, or is not wanted."""
        self._frames.clear()
        self._pending_s = 0.0
        self._open = False

    @property
    def start(self) -> float:
        """Where it begins, in seconds of sound received."""
        return self._frames[0].start if self._frames else 0.0

    @property
    def speech_end(self) -> float:
        return self._speech_end

    def sound(self, *, whole: bool = False) -> Audio | None:
        """Up to the end of the speech and TAIL_S, or all of it; None where there is none."""
        until = float("inf") if whole else self._speech_end + TAIL_S
        frames = [frame.samples for frame in self._frames if frame.start < until]
        return Audio.from_pcm16(np.concatenate(frames), RATE) if frames else None
