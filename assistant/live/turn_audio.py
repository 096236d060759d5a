"""The audio of the user turn: what came since it began, and a little from before."""

from __future__ import annotations

from collections import deque

import numpy as np

from assistant.audio.samples import Audio
from assistant.live.vad.frames import FRAME_S, Frame
from assistant.live.vad.silero import RATE

TAIL_S = 0.2
"""Audio after the last speech that belongs to the turn: its faint end, and a short pause."""


class TurnAudio:
    """Buffers the frames of one user turn, at most `limit_s` seconds: older ones are dropped.

    While nobody speaks it holds the last `prefix_s` seconds (pre-roll); `begin` starts the turn.
    """

    def __init__(self, prefix_s: float, limit_s: float) -> None:
        self._prefix_s = prefix_s
        self._limit_s = limit_s
        self._frames: deque[Frame] = deque()
        self._speech_end = 0.0
        self._open = False
        self._pending_s = 0.0  # audio that may turn out to be the beginning

    def configure(self, prefix_s: float, limit_s: float) -> None:
        """Changes the lengths from now on, in seconds."""
        self._prefix_s, self._limit_s = prefix_s, limit_s

    def add(self, frame: Frame, *, pending: bool) -> None:
        """Adds a frame. `pending`: the turn may have begun already."""
        self._frames.append(frame)
        if frame.speech:
            self._speech_end = frame.start + FRAME_S
        self._pending_s = self._pending_s + FRAME_S if pending else 0.0
        self._trim(self._limit_s if self._open else self._prefix_s + self._pending_s)

    def _trim(self, limit_s: float) -> None:
        while len(self._frames) * FRAME_S > max(limit_s, 0.0) + 1e-6:
            self._frames.popleft()

    def begin(self) -> None:
        """Starts the turn: everything that is buffered belongs to it."""
        self._open = True

    def clear(self) -> None:
        """Ends the turn and drops its audio."""
        self._frames.clear()
        self._pending_s = 0.0
        self._open = False

    @property
    def start(self) -> float:
        """The start of the turn, in seconds of audio received."""
        return self._frames[0].start if self._frames else 0.0

    def audio(self, *, whole: bool = False) -> Audio | None:
        """Returns the audio up to TAIL_S after the last speech, or all of it; None if empty."""
        until = float("inf") if whole else self._speech_end + TAIL_S
        frames = [frame.samples for frame in self._frames if frame.start < until]
        return Audio.from_pcm16(np.concatenate(frames), RATE) if frames else None
