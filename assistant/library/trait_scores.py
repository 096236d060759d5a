"""How well measured voice traits fit words such as deep, slow or female; and a description."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from assistant.audio.voice import VoiceTraits
from assistant.library.words import name_of

Fit = Callable[[VoiceTraits, bool], float]
"""0 to 1; the flag says that a woman's voice is meant: deep and high are relative to that."""


def _above(value: float, middle: float, width: float) -> float:
    """0 well below `middle`, 0.5 there, 1 well above it; most of the way within 3 `width`."""
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, (value - middle) / width))))


def _below(value: float, middle: float, width: float) -> float:
    return _above(-value, -middle, width)


def _pitch(fit: Callable[[float, bool], float], unvoiced: float) -> Fit:
    """Returns a score by pitch; `unvoiced` is the score of a whisper, whose pitch is 0."""
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

_SURE = 0.65
_PITCH, _PACE = ("deep", "high"), ("slow", "fast")
_REST = ("bright", "dark", "flat", "lively")
_LOUDNESS = ("quiet", "loud")


def describe(traits: VoiceTraits, language: str = "en") -> str:
    """Such as "deep slow male voice, flat"; in Chinese for `language` "zh".

    Only what the measures are clear about is said.
    """
    chinese = language.partition("-")[0] in ("zh", "cmn")
    concepts = measured_concepts(traits)
    sex = [name for name in ("child", "female", "male") if name in concepts][:1]
    front = [name for name in concepts if name in _PITCH + _PACE + ("whisper",)]
    rest = [name for name in concepts if name in _REST + _LOUDNESS]
    names = {name: name_of(name, chinese=chinese) for name in concepts}
    if chinese:
        about = "".join(f"{names[name]}的" for name in front)
        return "，".join([about + (names[sex[0]] if sex else "声音"), *(names[r] for r in rest)])
    whose = [{"child": "child's"}.get(name, name) for name in sex]
    return ", ".join([" ".join([*(names[f] for f in front), *whose, "voice"]), *rest])


def measured_concepts(traits: VoiceTraits) -> tuple[str, ...]:
    """The concepts of words.py that the measured voice clearly fits."""
    female = FITS["female"](traits, False) > _SURE
    order = (*_PITCH, *_PACE, "whisper", "male", "female", "child", *_REST, *_LOUDNESS)
    return tuple(name for name in order if FITS[name](traits, female) > _SURE)
