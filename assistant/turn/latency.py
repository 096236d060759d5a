"""The latency of a turn: when its first text and audio came, and how long its tools ran."""

from __future__ import annotations

import time

from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.events import Latency


class LatencyMeter:
    """Measures one turn, from the moment it is created."""

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
        """The length of the audio generated so far, in seconds."""
        return self._samples / OUTPUT_RATE

    def text(self) -> None:
        """Notes that the engine generated text."""
        self._first_text = self._first_text or self._now()

    def audio(self, samples: Pcm16) -> float:
        """Counts the samples and returns the second of the turn's audio at which they begin."""
        self._first_audio = self._first_audio or self._now()
        start = self.audio_seconds
        self._samples += len(samples)
        return start

    def tool_started(self) -> None:
        """Notes that a tool call began."""
        self._running += 1
        if self._running == 1:
            self._tools_since = self._now()

    def tool_ended(self) -> None:
        """Notes that a tool call ended; calls that overlap count once."""
        self._running -= 1
        if self._running == 0:
            self._tools += self._now() - self._tools_since

    def latency(self) -> Latency:
        """Returns the figures as of now."""
        return Latency(self._first_text, self._first_audio, self._tools, self._now())

    def _now(self) -> float:
        return time.perf_counter() - self._start
