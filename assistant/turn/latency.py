"""When things wait_until in a turn, for the latency split of TurnEnded."""

from __future__ import annotations

import time

from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.events import Latency


class TurnClock:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._first_text: float | None = None
        self._first_audio: float | None = None
        self._tools = 0.0
        self._tools_since = 0.0
        self._running = 0
        self._samples = 0

    @property
    def audio_seconds(self) -> float:
        return self._samples / OUTPUT_RATE

    def text(self) -> None:
        self._first_text = self._first_text or self._now()

    def audio(self, samples: Pcm16) -> float:
        """Counts a piece of sound; gives where in the turn's sound it begins, in seconds."""
        self._first_audio = self._first_audio or self._now()
        start = self.audio_seconds
        self._samples += len(samples)
        return start

    def tool_started(self) -> None:
        self._running += 1
        if self._running == 1:
            self._tools_since = self._now()

    def tool_ended(self) -> None:
        self._running -= 1
        if self._running == 0:
            self._tools += self._now() - self._tools_since

    def latency(self) -> Latency:
        return Latency(self._first_text, self._first_audio, self._tools, self._now())

    def _now(self) -> float:
        return time.perf_counter() - self._start
