"""From the sound that arrives to frames, and to the sound of the turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assistant.audio.samples import Pcm16
from assistant.config import LiveSettings
from assistant.live.utterance import Utterance
from assistant.live.vad.frames import FRAME_S, Detector, Frame, VoiceActivityDetector
from assistant.live.vad.silero import FRAME_SAMPLES


class Listener:
    """The ears, and what they hold of the turn."""

    def __init__(self, settings: LiveSettings, rate: int, detector: Detector | None) -> None:
        self._ears = VoiceActivityDetector(settings, rate, detector)
        self._rate = rate
        self.received_s = 0.0
        self.utterance = Utterance(settings.prefix_ms / 1000, settings.max_utterance_s)

    def hear(self, samples: Pcm16) -> list[Frame]:
        self.received_s += len(samples) / self._rate
        return self._ears.hear(samples)

    def silence(self, seconds: float) -> Iterator[Frame]:
        """In the place of sound that did not come."""
        for number in range(round(seconds / FRAME_S)):
            start = self.received_s + number * FRAME_S
            yield Frame(start, False, np.zeros(FRAME_SAMPLES, np.int16))

    def configure(self, settings: LiveSettings, rate: int | None) -> None:
        self._ears.settings = settings
        self.utterance.configure(settings.prefix_ms / 1000, settings.max_utterance_s)
        if rate is not None and rate != self._rate:
            self._rate = rate
            self._ears.reset(rate)
