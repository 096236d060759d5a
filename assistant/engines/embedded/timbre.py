"""Maps a voice's measured traits to espeak-ng's settings.

The tables are measurements of espeak-ng 1.52: the median pitch at each value of its pitch
parameter. English, German and French come within a semitone of the clip; Mandarin, whose tones
fall, two to three semitones below it.
"""

from __future__ import annotations

import numpy as np

from assistant.audio.voice import Voice, VoiceTraits
from assistant.engines.embedded.espeak import Timbre

NORMAL = Timbre(variant="f2", pitch=45)
"""The voice of a session that has chosen none: a woman's, so that low voices differ from it."""

_PITCH = (0, 25, 50, 75, 99)
_MEDIAN_HZ = {
    "m3": (70.0, 84.0, 104.0, 133.0, 172.0),
    "f2": (127.0, 156.0, 194.0, 248.0, 320.0),
}
_RANGE = (0, 25, 50, 75, 99)
_SEMITONES = (0.4, 2.0, 3.6, 4.9, 6.1)  # 10th to 90th percentile
_HZ_PER_RANGE = 0.0026  # a wider range also lifts the median: share of it per step from 50
_FEMALE_FROM_HZ = 160.0
_WORDS_PER_SYLLABLE = 0.64  # espeak's rate is in English words; measured against syllables


def timbre_of(voice: Voice) -> Timbre:
    """espeak-ng's settings that come nearest to the voice."""
    return _from_traits(voice.traits) if voice.traits else NORMAL


def _from_traits(traits: VoiceTraits) -> Timbre:
    variant = "f2" if traits.pitch_hz >= _FEMALE_FROM_HZ else "m3"
    pitch_range = _interpolated(traits.pitch_range_semitones, _SEMITONES, _RANGE)
    lifted = 1.0 + (pitch_range - 50) * _HZ_PER_RANGE
    median_hz = max(traits.pitch_hz, 1.0) / lifted
    pitch = _interpolated(np.log(median_hz), np.log(_MEDIAN_HZ[variant]), _PITCH)
    words_per_minute = round(traits.syllables_per_s * 60 * _WORDS_PER_SYLLABLE)
    return Timbre(variant, pitch, pitch_range, min(max(words_per_minute, 120), 260))


def _interpolated(value: float, xs: object, ys: tuple[int, ...]) -> int:
    return round(float(np.interp(value, np.asarray(xs), ys)))
