"""Resamples audio as it arrives, with a delay of a few milliseconds.

soxr's stream returns its output in blocks: measured, it delays up to 115 ms at 8 kHz and 37 ms at
24 and 48 kHz, which a conversation would wait for in every turn. This one delays 32 samples of the
lower rate (4 ms at 8 kHz, 2 ms from 16 kHz up). The filter is a windowed sinc that passes 90 % of
the band and attenuates everything beyond it by 75 dB.

Samples are integers and the filter's values are multiples of 2**-24, so double precision adds them
without rounding, in any order: the output is the same however the stream is cut.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd

import numpy as np
import numpy.typing as npt

from assistant.audio.samples import Pcm16
from assistant.errors import AudioError

Float64 = npt.NDArray[np.float64]

LOWEST_RATE, HIGHEST_RATE = 1_000, 384_000
_HALF_WIDTH = 32  # of the filter, in samples of the lower rate
_CUTOFF = 0.95  # of the lower rate's band; the amplitude is halved there
_KAISER_BETA = 7.5
_PHASES = 1_024  # at most; between rates with no small ratio the nearest of these is taken
_BLOCK = 960  # input samples per step: they stay in the processor's cache


class Resampler:
    """Resamples one stream. Output sample n is the audio at n / `output_rate` seconds."""

    def __init__(self, input_rate: int, output_rate: int) -> None:
        """Raises AudioError: unsupported sample rate."""
        for rate in (input_rate, output_rate):
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                allowed = f"rates go from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
                raise AudioError(f"a sample rate of {rate} Hz", hint=allowed)
        common = gcd(input_rate, output_rate)
        self._up, self._down = output_rate // common, input_rate // common
        self._filters = _filters(self._up, self._down)
        self._half = self._filters.shape[1] // 2
        # Begins `_half - 1` samples before the input on which the next output is centered.
        self._held: Float64 = np.zeros(self._half - 1)
        self._phase = 0  # of the next output, in units of 1 / `_up` input samples

    def feed(self, samples: Pcm16) -> Pcm16:
        """Returns the samples that are ready, possibly none. Does not hold on to `samples`."""
        if self._up == self._down:
            return samples.astype(np.int16)
        blocks = [self._block(samples[at : at + _BLOCK]) for at in range(0, len(samples), _BLOCK)]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)

    def finish(self) -> Pcm16:
        """The rest, when the input is over."""
        return self.feed(np.zeros(0 if self._up == self._down else self._half, np.int16))

    def _block(self, samples: Pcm16) -> Pcm16:
        held: Float64 = np.concatenate((self._held, samples), dtype=np.float64)
        ready = len(held) - 2 * self._half + 1  # inputs on which an output can be centered
        count = -((self._phase - ready * self._up) // self._down)
        if count <= 0:
            self._held = held
            return np.zeros(0, np.int16)
        at = self._phase + self._down * np.arange(count + 1)
        center, phase = np.divmod(at, self._up)
        # All windows of samples for the filters, as views; (ready, taps).
        windows = np.ndarray((ready, 2 * self._half), np.float64, held, 0, (8, 8))
        filters = self._filters[phase[:-1] * len(self._filters) // self._up]
        output = np.einsum("ij,ij->i", windows[center[:-1]], filters)
        # The next output's center may lie beyond what has been received.
        used = min(int(center[-1]), len(held))
        self._held, self._phase = held[used:], int(at[-1]) - used * self._up
        pcm: Pcm16 = np.clip(np.rint(output), -32_768, 32_767).astype(np.int16)
        return pcm


@lru_cache(maxsize=16)
def _filters(up: int, down: int) -> Float64:
    """(phases, taps): the filter for outputs that lie phase / phases after an input sample."""
    phases = min(up, _PHASES)
    scale = max(1.0, down / up)  # input samples per sample of the lower rate
    half = ceil(_HALF_WIDTH * scale)
    offset = np.arange(1 - half, half + 1) - np.arange(phases)[:, None] / phases
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1.0 - (offset / half) ** 2)))
    filters = np.sinc(offset * _CUTOFF / scale) * window
    filters /= filters.sum(axis=1, keepdims=True)
    rounded: Float64 = np.rint(filters * 2.0**24) / 2.0**24
    return rounded
