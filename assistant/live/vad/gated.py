"""A speech detector: Silero VAD, asked only if the noise floor says that there may be speech.

Two things keep it cheap and accurate:

Frames that don't exceed the noise floor skip the network, which saves nearly all of the cost while
nobody speaks. When a frame does, the network first gets the quarter of a second before it, so that
an onset that was too soft to exceed the floor is not missing.

The network adapts to endless noise. Measured with speech 5 dB over white noise, it detects speech
0.02 s late after 16 s of noise, and 0.4 s late or hardly at all after two minutes. So its state is
reset after a silence, and every 16 s while nobody speaks. Not more often: a fresh state takes music
for speech sooner than one that has processed it for a while.
"""

from __future__ import annotations

from collections import deque

from assistant.audio.samples import Pcm16
from assistant.live.vad.noise_floor import NoiseFloor
from assistant.live.vad.silero import Silero

_RUN_UP_FRAMES = 8
_HANG_FRAMES = 16  # it continues for half a second after the last frame above the noise floor
_STALE_FRAMES = 500  # 16 s
_NOTHING = 0.1  # a probability that is not speech


class GatedDetector:
    """Returns the probability of speech in each frame of one stream; 0.0 for
    frames that it skips.
    """

    def __init__(self, network: Silero | None = None) -> None:
        self._network = network or Silero()
        self.reset()

    def reset(self) -> None:
        """Forgets the stream, and the noise of it."""
        self._floor = NoiseFloor()
        self._recent: deque[Pcm16] = deque(maxlen=_RUN_UP_FRAMES)
        self._left = 0  # frames for which it still runs
        self._unspoken = _STALE_FRAMES  # frames that the network got since there was any speech

    def __call__(self, samples: Pcm16) -> float:
        """`samples`: (512,) at 16 kHz, not to be written to afterwards."""
        if self._floor.is_exceeded(samples):
            self._left = _HANG_FRAMES
        probability = self._listen(samples) if self._left else 0.0
        self._recent.append(samples)
        return probability

    def _listen(self, samples: Pcm16) -> float:
        if self._unspoken >= _STALE_FRAMES:
            self._begin()
        probability = self._network(samples)
        self._unspoken += 1
        self._left -= 1
        if probability >= _NOTHING:
            self._unspoken, self._left = 0, _HANG_FRAMES
        elif not self._left:
            self._unspoken = _STALE_FRAMES
        return probability

    def _begin(self) -> None:
        self._network.reset()
        self._unspoken = 0
        for samples in self._recent:
            self._network(samples)
