"""Turns what was measured of a voice into words."""

from __future__ import annotations

from assistant.audio.voice import VoiceTraits
from assistant.library.trait_scores import FITS
from assistant.library.words import name_of

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
