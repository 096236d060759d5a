"""An embedder for voices without weights: long-term statistics of spectral shape and pitch.

It tells apart voices that differ as the bundled ones do, and different people most of the time. A
neural speaker embedding does better and fits behind the same protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assistant.audio.samples import Audio, Float32
from assistant.library.embedding import unit_rows
from assistant.library.pitch import PitchTrack, track_pitch
from assistant.library.spectrum import MEL_BANDS, Spectrum, spectrum_of

_COEFFICIENTS = 16
_SEED = 2_007
_WIDTH = 9.0
"""The width in units of `statistics`: two sentences of one voice are about 7 apart, two voices 20.
"""


class Voiceprint:
    """Embeds audio by its voice: clips of one voice have a product near 1, of different ones near
    0.

    Random Fourier features (A. Rahimi, B. Recht, "Random Features for Large-Scale Kernel Machines",
    NIPS 2007) turn the statistics into vectors whose inner product is about exp(-distance^2 / (2
    _WIDTH^2)), which an index for inner products can search.
    """

    name = "voiceprint"
    version = 1

    def __init__(self, dim: int = 256) -> None:
        self.dim = dim
        size = len(_scales())
        directions = np.random.default_rng(_SEED).normal(size=(size, dim // 2)) / _WIDTH
        self._directions = directions.astype(np.float32)

    def embed(self, items: Sequence[Audio]) -> Float32:
        if not items:
            return np.zeros((0, self.dim), dtype=np.float32)
        phases = np.stack([statistics(item) for item in items]) @ self._directions
        return unit_rows(np.hstack([np.cos(phases), np.sin(phases)]))


def statistics(audio: Audio) -> Float32:
    """Means and spreads over the speech of a clip, each in units of its usual spread.

    Mel cepstrum 1 to 16: means and standard deviations; median pitch and its range; the share of
    voiced frames. The level of the recording is left out.
    """
    spectrum, pitch = spectrum_of(audio), track_pitch(audio)
    n = min(len(spectrum.power), len(pitch.hz))
    active = spectrum.active[:n]
    if not active.any():
        return np.zeros(len(_scales()), dtype=np.float32)
    cepstrum = _cepstrum(spectrum)[:n][active]
    values = [*cepstrum.mean(axis=0), *cepstrum.std(axis=0), *_pitch_statistics(pitch, n, active)]
    return (np.array(values) / _scales()).astype(np.float32)


def _cepstrum(spectrum: Spectrum) -> npt.NDArray[np.floating]:
    bands = np.arange(MEL_BANDS)[:, None] + 0.5
    cosines = np.cos(np.pi * bands * np.arange(1, _COEFFICIENTS + 1) / MEL_BANDS)
    return np.asarray(spectrum.log_mel @ (cosines * np.sqrt(2.0 / MEL_BANDS)))


def _pitch_statistics(pitch: PitchTrack, n: int, active: npt.NDArray[np.bool_]) -> list[float]:
    voiced = pitch.voiced[:n] & active
    share = float(voiced.sum() / active.sum())
    if share < 0.12:
        return [0.0, 0.0, share]
    semitones = 12.0 * np.log2(pitch.hz[:n][voiced] / 110.0)
    low, middle, high = np.percentile(semitones, [10, 50, 90])
    return [float(middle), float(high - low), share]


def _scales() -> npt.NDArray[np.float64]:
    """Returns how much each statistic usually differs between two sentences of the same voice."""
    number = np.arange(1, _COEFFICIENTS + 1)
    return np.array([*1.5 * number**-0.7, *0.9 * number**-0.65, 0.6, 2.0, 0.1])
