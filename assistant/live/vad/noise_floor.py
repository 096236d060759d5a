"""Tracks the noise floor of a stream, so that frames of noise skip the network.

Minimum statistics (R. Martin, 2001): speech has pauses in every band within two seconds and noise
has none, so the minimum of a band over that time is the noise. A frame that exceeds it in no band,
by a margin that noise hardly ever exceeds, holds nothing new. Separate bands detect a soft "s" over
a loud hum.
"""

from __future__ import annotations

import numpy as np

from assistant.audio.samples import Float32, Pcm16
from assistant.live.vad.silero import FRAME_SAMPLES

# Bins of 31.25 Hz at which bands begin and end: 94, 440, 1,000, 2,000, 4,000 and 7,800 Hz. Below
# lies the hum of the mains.
_EDGES = np.array([3, 14, 32, 64, 128, 250])
_BINS = np.diff(_EDGES)
# The energy of noise in n bins (Hann window) scatters by 4.34 sqrt(1.5 / n) dB. Four times that,
# and what the least lies below the mean, is exceeded once in many minutes.
_MARGIN = np.float32(10.0) ** ((2.0 + 4.0 * 4.34 * np.sqrt(1.5 / _BINS)) / 10.0).astype(np.float32)
_WINDOW = np.hanning(FRAME_SAMPLES + 2)[1:-1].astype(np.float32)
_WINDOW /= np.sqrt(np.sum(_WINDOW**2))
# Of white noise with an RMS of 4, of 32,768: converters and 8 bit telephone audio have as much.
_QUIETEST = (4.0**2 * _BINS).astype(np.float32)
_SMOOTHING = np.float32(0.5)
_LEARNING_FRAMES = 31  # a second without an estimate, in which every frame is above the floor
_BLOCK_FRAMES, _BLOCKS = 8, 8  # two seconds, in steps of a quarter


class NoiseFloor:
    """Follows one stream, frame by frame. Falls at once, rises within two seconds."""

    def __init__(self) -> None:
        unknown = np.full(len(_BINS), np.inf, np.float32)
        self._frames = 0
        self._smooth: Float32 | None = None  # (5,), energy of the bands; all of these
        self._least = unknown  # of the block that runs
        self._blocks = np.tile(unknown, (_BLOCKS, 1))
        self._older = unknown  # the minima of the blocks

    def is_exceeded(self, samples: Pcm16) -> bool:
        """Returns whether the next frame of the stream exceeds the floor; `samples`: (512,) at 16
        kHz.
        """
        energy = _energy(samples)
        if self._smooth is None:
            self._smooth = energy
        self._smooth = self._smooth + _SMOOTHING * (energy - self._smooth)
        self._least = np.minimum(self._least, self._smooth)
        limit = np.maximum(np.minimum(self._least, self._older) * _MARGIN, _QUIETEST)
        self._frames += 1
        if self._frames % _BLOCK_FRAMES == 0:
            self._end_block()
        return self._frames <= _LEARNING_FRAMES or bool((energy > limit).any())

    def _end_block(self) -> None:
        self._blocks[self._frames // _BLOCK_FRAMES % _BLOCKS] = self._least
        self._older = self._blocks.min(axis=0)
        self._least = np.full(len(_BINS), np.inf, np.float32)


def _energy(samples: Pcm16) -> Float32:
    """(5,): of each band; a bin of white noise holds its variance."""
    spectrum = np.fft.rfft(samples * _WINDOW)[: _EDGES[-1]]
    return np.add.reduceat(spectrum.real**2 + spectrum.imag**2, _EDGES[:-1]).astype(np.float32)
