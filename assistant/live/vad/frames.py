"""Voice activity detection: audio in, frames out that tell whether somebody speaks.

    int16 at any rate -> Resampler -> 512 samples at 16 kHz -> detector -> hysteresis -> Frame

A frame comes out as soon as its last sample is there (and 2 to 4 ms more, see audio/resample.py).
Lengths and times are counted in samples, so they stay exact for hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from assistant.audio.resample import Resampler
from assistant.audio.samples import Pcm16
from assistant.config import LiveSettings
from assistant.live.vad.gated import GatedDetector
from assistant.live.vad.silero import FRAME_SAMPLES, RATE


class SpeechDetector(Protocol):
    """Judges one stream of audio frame by frame: the extension point for other VAD models.

    `LiveConversation(detector=...)` takes one, in place of Silero VAD behind a noise gate, and
    `create_app(speech_detector=...)` a function that returns a new one for each conversation.
    """

    def __call__(self, samples: Pcm16) -> float:
        """Returns the probability of speech, 0 to 1, in the next frame: (512,) int16 at 16 kHz.

        Called in the event loop's thread, about 31 times per second of audio, so it must return
        within a few milliseconds. `samples` may be kept, and must not be written to.
        """
        ...

    def reset(self) -> None:
        """Forgets the stream: the next frame is the first of another one."""
        ...


FRAME_S = FRAME_SAMPLES / RATE
_HYSTERESIS = 0.15  # silero's: speech that continues may be this much less probable than its start
_SHORTEST_FRAMES = 2  # neither speech nor a pause is shorter, so a single frame doesn't flicker


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame of 32 ms: `samples` (512,) at 16 kHz, from `start`, in seconds of audio received."""

    start: float
    speech: bool
    samples: Pcm16


class VoiceActivityDetector:
    """Detects speech in one stream. `settings` may be replaced at any time."""

    def __init__(
        self, settings: LiveSettings, sample_rate: int, detector: SpeechDetector | None = None
    ) -> None:
        """Raises AudioError if the sample rate is not supported."""
        self.settings = settings
        self._detector = detector or GatedDetector()
        self._begun_s = 0.0
        self._rest: Pcm16
        self._begin(sample_rate)

    def push(self, samples: Pcm16) -> list[Frame]:
        """`samples`: int16 mono, any number of them. The frames that are complete now."""
        self._received += len(samples)
        audio = np.concatenate((self._rest, self._resampler.feed(samples)))
        whole = len(audio) - len(audio) % FRAME_SAMPLES
        self._rest = audio[whole:].copy()
        return [self._frame(samples.copy()) for samples in audio[:whole].reshape(-1, FRAME_SAMPLES)]

    def reset(self, sample_rate: int | None = None) -> None:
        """Forgets the stream, also the start of a frame; time goes on. A new sample rate may
        follow.
        """
        self._begun_s += self._received / self._sample_rate
        self._detector.reset()
        self._begin(sample_rate or self._sample_rate)

    def _begin(self, sample_rate: int) -> None:
        self._resampler = Resampler(sample_rate, RATE)
        self._sample_rate = sample_rate
        self._received = 0  # samples, since _begun_s
        self._frames = 0
        self._rest = np.zeros(0, np.int16)
        self._speech = False
        self._lasted = _SHORTEST_FRAMES  # frames in the state of _speech

    def _frame(self, samples: Pcm16) -> Frame:
        start = self._begun_s + self._frames * FRAME_SAMPLES / RATE
        self._frames += 1
        self._judge(self._detector(samples))
        return Frame(start, self._speech, samples)

    def _judge(self, probability: float) -> None:
        threshold = self.settings.threshold - (_HYSTERESIS if self._speech else 0.0)
        speech = probability >= max(threshold, 0.01)
        if speech != self._speech and self._lasted >= _SHORTEST_FRAMES:
            self._speech, self._lasted = speech, 0
        self._lasted += 1
