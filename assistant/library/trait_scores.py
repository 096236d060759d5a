"""How well a measured voice fits what is said of voices: deep, slow, a woman's, a whisper."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from assistant.audio.voice import VoiceTraits

Fit = Callable[[VoiceTraits, bool], float]
"""0 to 1; the flag says that a woman's voice is meant: deep and high are relative to that."""


def _above(value: float, middle: float, width: float) -> float:
    """0 well below `middle`, 0.5 there, 1 well above it; most of the way within 3 `width`."""
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, (value - middle) / width))))


def _below(value: float, middle: float, width: float) -> float:
    return _above(-value, -middle, width)


def _pitch(fit: Callable[[float, bool], float], unvoiced: float) -> Fit:
    """`unvoiced`: what to say of a whisper, whose pitch is 0."""
    return lambda traits, female: fit(traits.pitch_hz, female) if traits.pitch_hz > 0 else unvoiced


def _woman(hz: float, female: bool) -> float:
    return min(_above(hz, 152.0, 8.0), _below(hz, 300.0, 15.0))


# Speaking voices of men lie at about 85 to 155 Hz, of women at 165 to 255 Hz, of children above
# 250 Hz (I. Titze, "Principles of Voice Production", 1994). The other middles are about the
# 15th and 85th percentile of the voices that the measures were checked with.
FITS: Mapping[str, Fit] = {
    "male": _pitch(lambda hz, female: _below(hz, 152.0, 8.0), 0.5),
    "female": _pitch(_woman, 0.5),
    "child": _pitch(lambda hz, female: _above(hz, 265.0, 12.0), 0.2),
    "deep": _pitch(lambda hz, female: _below(hz, 185.0 if female else 112.0, 9.0), 0.3),
    "high": _pitch(lambda hz, female: _above(hz, 225.0 if female else 205.0, 12.0), 0.3),
    "slow": lambda traits, female: _below(traits.syllables_per_s, 3.9, 0.25),
    "fast": lambda traits, female: _above(traits.syllables_per_s, 5.3, 0.25),
    "bright": lambda traits, female: _above(traits.brightness_hz, 1_650.0, 120.0),
    "dark": lambda traits, female: _below(traits.brightness_hz, 1_100.0, 90.0),
    "quiet": lambda traits, female: _below(traits.loudness_db, -27.0, 2.0),
    "loud": lambda traits, female: _above(traits.loudness_db, -15.0, 1.5),
    "flat": lambda traits, female: (
        _below(traits.pitch_range_semitones, 3.2, 0.6) if traits.pitch_hz > 0 else 0.4
    ),
    "lively": lambda traits, female: (
        _above(traits.pitch_range_semitones, 7.5, 0.8) if traits.pitch_hz > 0 else 0.2
    ),
    "whisper": lambda traits, female: 0.0 if traits.pitch_hz > 0 else 1.0,
}
