"""From the sound that arrives to frames, and to the sound of the turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from assistant.audio import Pcm16
from assistant.config import LiveSettings
from assistant.live.ears import EAR_RATE, FRAME_SAMPLES, Ears, Frame
from assistant.live.utterance import Utterance


class Listener:
    """The ears, and what they hold of the turn."""

    def __init__(
        self, settings: LiveSettings, rate: int, detector: Callable[[Pcm16], float] | None
    ) -> None:
        self._settings = settings
        self._rate = rate
        self._detector = detector
        self._before_s = 0.0  # heard by ears that were exchanged
        self._samples = 0
        self._ears = Ears(settings, rate, detector)
        self.utterance = Utterance(settings.prefix_ms / 1000, settings.max_utterance_s)

    @property
    def received_s(self) -> float:
        return self._before_s + self._samples / self._rate

    def hear(self, samples: Pcm16) -> Iterator[Frame]:
        self._samples += len(samples)
        for frame in self._ears.hear(samples):
            yield self._moved(frame)

    def _moved(self, frame: Frame) -> Frame:
        if not self._before_s:
            return frame
        return Frame(self._before_s + frame.start, frame.speech, frame.samples)

    def silence(self, seconds: float) -> Iterator[Frame]:
        """In the place of sound that did not come."""
        start = self.received_s
        for number in range(round(seconds * EAR_RATE / FRAME_SAMPLES)):
            at = start + number * FRAME_SAMPLES / EAR_RATE
            yield Frame(at, False, np.zeros(FRAME_SAMPLES, np.int16))

    def configure(self, settings: LiveSettings, rate: int | None) -> None:
        """Other ears, where the settings or the rate ask for such."""
        rate = rate or self._rate
        if rate == self._rate and settings == self._settings:
            return
        self._before_s, self._samples = self.received_s, 0
        self._settings, self._rate = settings, rate
        self._ears = Ears(settings, rate, self._detector)
        self.utterance.configure(settings.prefix_ms / 1000, settings.max_utterance_s)
