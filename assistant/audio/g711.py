"""G.711, the codec of telephones, with 8 bits per sample: mu-law (America, Japan) and A-law
(elsewhere).

Both directions are table look-ups. An input that lies exactly on a decision value is encoded as in
the ITU's own software (G.191); other libraries differ there by one code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assistant.audio.samples import Pcm16

_CODES = np.arange(256)
_MU_BIAS, _MU_TOP = 33, 0x1FFF  # of the 14 bit values that mu-law encodes; A-law has 13


@dataclass(frozen=True, slots=True, eq=False)
class Codec:
    """One of the two laws. `MU_LAW` and `A_LAW` are all there are."""

    name: str
    _decoded: Pcm16  # (256,), by code
    _encoded: npt.NDArray[np.uint8]  # (65536,), by sample taken as an unsigned number

    def encode(self, samples: Pcm16) -> bytes:
        """A byte a sample."""
        return self._encoded[samples.astype(np.int16, copy=False).view(np.uint16)].tobytes()

    def decode(self, data: bytes) -> Pcm16:
        """A sample a byte; every byte is valid."""
        return self._decoded[np.frombuffer(data, dtype=np.uint8)]


def _mu_law_decoded() -> Pcm16:
    code = ~_CODES & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((step << 1) + _MU_BIAS) << segment) - _MU_BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) << 2).astype(np.int16)


def _a_law_decoded() -> Pcm16:
    code = _CODES ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    high = ((step << 1) + 33) << np.maximum(segment - 1, 0)
    magnitude = np.where(segment == 0, (step << 1) + 1, high) << 3
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _samples() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Magnitude (one's complement for negative ones, as in G.191) and sign of every sample."""
    samples = np.arange(65_536).astype(np.uint16).view(np.int16).astype(np.int64)
    return np.where(samples < 0, ~samples, samples), samples < 0


def _mu_law_encoded() -> npt.NDArray[np.uint8]:
    magnitude, negative = _samples()
    biased = np.minimum((magnitude >> 2) + _MU_BIAS, _MU_TOP)
    segment = _bit_length(biased) - 6
    code = (segment << 4) | ((biased >> (segment + 1)) & 15)
    encoded: npt.NDArray[np.uint8] = (~(code | np.where(negative, 0x80, 0)) & 0xFF).astype(np.uint8)
    return encoded


def _a_law_encoded() -> npt.NDArray[np.uint8]:
    magnitude, negative = _samples()
    high = magnitude >> 4
    segment = np.maximum(_bit_length(high) - 4, 0)
    code = (segment << 4) | ((high >> np.maximum(segment - 1, 0)) & 15)
    encoded: npt.NDArray[np.uint8] = ((code | np.where(negative, 0, 0x80)) ^ 0x55).astype(np.uint8)
    return encoded


def _bit_length(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


MU_LAW = Codec("mu-law", _mu_law_decoded(), _mu_law_encoded())
A_LAW = Codec("A-law", _a_law_decoded(), _a_law_encoded())
