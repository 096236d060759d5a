"""Scores how well a voice fits a request, from 0 to 1: by measures, words and vector."""

from __future__ import annotations

from functools import lru_cache

from assistant.audio.voice import VoiceTraits
from assistant.library.embedding import features
from assistant.library.manifest import Entry
from assistant.library.trait_scores import FITS
from assistant.library.vocabulary import LANGUAGE_CONCEPTS, OPPOSITES
from assistant.library.words import Wording, wording, words_of

# Traits with a reliable measure: the measure counts more than the description.
_SURE = frozenset(("male", "female", "child", "deep", "high", "slow", "fast", "whisper"))
_SEXES = frozenset(("male", "female", "child"))
_CHARACTER = frozenset(("child", "giant", "hoarse", "old", "robot", "whisper"))
_FOREIGN = frozenset(LANGUAGE_CONCEPTS.values()) - {"english"}
_UNASKED = 0.9  # a request for a woman prefers an ordinary voice to an unusual one
_CONTRADICTED = 0.2
_WRONG_SEX, _WRONG_OTHER = 0.5, 0.85
_OTHER_LANGUAGE, _UNKNOWN_LANGUAGE = 0.7, 0.9
_MOST_OTHER_WORDS = 2.0  # however many there are, they count as much as two concepts
_PRODUCT_SHARE = 0.02  # the vectors' product decides between equals


def text_of(entry: Entry) -> str:
    """Returns the text of an entry that is embedded and searched: all that is written about the
    voice.
    """
    language = LANGUAGE_CONCEPTS.get(primary_language(entry.language), "")
    return " ".join((entry.id, entry.description, *entry.tags, language))


def primary_language(tag: str) -> str:
    """The first part of a BCP 47 tag; Mandarin is filed under Chinese."""
    first = tag.partition("-")[0].casefold()
    return "zh" if first in ("cmn", "yue") else first


def score(
    request: Wording, entry: Entry, traits: VoiceTraits | None, product: float, language: str
) -> float:
    """1.0 for a voice that is all that was asked for.

    `product`: of the vectors of the request and the entry; `language`: a BCP 47 tag or nothing.
    """
    said = wording(text_of(entry))
    if entry.id.casefold() in request.others:
        return 1.0
    fits = {c: _fit(c, said, traits, request) for c in sorted(request.concepts)}
    fits |= {c: 1.0 - _fit(c, said, traits, request) for c in sorted(request.unwanted)}
    parts = [(value, 1.0) for value in fits.values()]
    if request.others:
        covered = max(_coverage(request.others, entry), product)
        parts.append((covered, min(0.75 * len(request.others), _MOST_OTHER_WORDS)))
    if not parts:
        return 0.0
    mean = sum(value * weight for value, weight in parts) / sum(weight for _, weight in parts)
    mean = (1.0 - _PRODUCT_SHARE) * mean + _PRODUCT_SHARE * max(0.0, product)
    marked = _CHARACTER if language else _CHARACTER | _FOREIGN
    unasked = said.concepts & (marked - request.concepts)
    return (
        mean
        * _penalty(fits)
        * (_UNASKED if unasked else 1.0)
        * _language_factor(language, entry.language)
    )


def _fit(concept: str, said: Wording, traits: VoiceTraits | None, request: Wording) -> float:
    written = _written(concept, said)
    fit = FITS.get(concept)
    if fit is None or traits is None:
        # A description that does not mention an unmeasured trait counts against it.
        return {None: 0.3 if fit else 0.0, True: 1.0, False: 0.0}[written]
    measured = fit(traits, "female" in request.concepts)
    if concept in _SURE:
        return 0.85 * measured + 0.15 * {None: 0.5, True: 1.0, False: 0.0}[written]
    return 0.7 * measured if written is None else 0.3 * measured + 0.7 * written


def _written(concept: str, said: Wording) -> bool | None:
    """Returns whether the description says so; None if it does not tell."""
    if concept in said.concepts:
        return True
    if concept in said.unwanted or OPPOSITES.get(concept) in said.concepts:
        return False
    return None


def _penalty(fits: dict[str, float]) -> float:
    """Contradicted descriptors put a voice below those that are only a little off."""
    factor = 1.0
    for concept, value in fits.items():
        if value < _CONTRADICTED and concept in _SURE:
            factor *= _WRONG_SEX if concept in _SEXES else _WRONG_OTHER
    return factor


def _language_factor(asked: str, has: str) -> float:
    if not asked or primary_language(asked) == primary_language(has):
        return 1.0
    return _OTHER_LANGUAGE if has else _UNKNOWN_LANGUAGE


def _coverage(asked: tuple[str, ...], entry: Entry) -> float:
    """The mean, over the words asked for, of the likeness to the nearest word of the entry.

    Unlike the vectors' product it is not lowered by what else a long description says.
    """
    has = [_grams(word) for word in words_of(text_of(entry))]
    best = [max((_dice(_grams(word), other) for other in has), default=0.0) for word in asked]
    # Below a half, letters are shared by chance.
    return sum(value if value >= 0.5 else 0.0 for value in best) / len(best)


@lru_cache(maxsize=16_384)
def _grams(word: str) -> frozenset[str]:
    return frozenset(name for name, _ in features(word))


def _dice(one: frozenset[str], other: frozenset[str]) -> float:
    return 2.0 * len(one & other) / (len(one) + len(other))
