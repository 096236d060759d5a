"""Language identification: by script, and by letters for scripts that many languages share."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

LATIN = "LATIN"
_BY_SCRIPT = {
    "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru",
    "GREEK": "el", "ARABIC": "ar", "HEBREW": "he", "DEVANAGARI": "hi", "THAI": "th",
    "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "GUJARATI": "gu", "GURMUKHI": "pa",
    "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si", "GEORGIAN": "ka", "ARMENIAN": "hy",
    "ETHIOPIC": "am", "MYANMAR": "my", "ORIYA": "or",
}  # fmt: skip
"""Script (the first word of a letter's Unicode name) to its most spoken language."""

_OTHERS = {
    "CYRILLIC": ("uk", "bg", "be", "sr", "mk", "kk"),
    "ARABIC": ("fa", "ur"),
    "DEVANAGARI": ("mr", "ne"),
    "CJK": ("yue", "cmn", "ja"),
    LATIN: (
        "en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "no", "fi", "tr", "cs", "sk",
        "ro", "hu", "hr", "vi", "id", "ca", "et", "lt", "lv", "sl", "sq", "sw", "is",
    ),
}  # fmt: skip
_LOOKED_AT = 1_000
"""The characters of a text that its language is told from."""
_CERTAIN = 0.8
"""Below this share of the probability a short text is taken for the expected language."""


def detect(text: str, expected: str = "") -> str:
    """Returns the BCP 47 tag of the language that `text` is in.

    `expected` holds unless the letters tell otherwise; without it, English does.
    """
    text = text[:_LOOKED_AT]
    scripts = Counter(filter(None, map(script_of, text)))
    if not scripts:
        return expected or "en"
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > 0:
        return "ja"
    script = scripts.most_common(1)[0][0]
    fits = script in _scripts(expected)
    default = _BY_SCRIPT.get(script, "en")
    if script in _OTHERS and script != "CJK":
        return _by_letters(text, script) or (expected if fits else default)
    return expected if fits else default


def speech_language(text: str, wanted: str, expected: str = "") -> str:
    """The language to speak `text` in: `wanted`, unless it is in another script."""
    scripts = {script_of(char) for char in text} - {None}
    if wanted and (not scripts or scripts & _scripts(wanted)):
        return wanted
    return detect(text, wanted or expected)


def runs(text: str, language: str) -> Iterator[tuple[str, str]]:
    """The pieces of a sentence in `language` with the language of each.

    Words in another script are a piece of their own; digits and marks belong to what is before.
    """
    own = _scripts(language)
    labels, current = [], language
    for char in text:
        script = script_of(char)
        if script in own:
            current = language
        elif script is not None:
            current = "en" if script == LATIN else _BY_SCRIPT.get(script, language)
        labels.append(current)
    first = next((i for i, char in enumerate(text) if script_of(char)), 0)
    labels[:first] = [labels[first]] * first if labels else []
    for label, piece in itertools.groupby(zip(labels, text, strict=True), key=lambda pair: pair[0]):
        yield label, "".join(char for _, char in piece)


@lru_cache(maxsize=4096)
def script_of(char: str) -> str | None:
    """The script of a letter; None for digits, marks and blanks."""
    if not char.isalpha():
        return None
    script = unicodedata.name(char, "").split(" ")[0]
    return script if script in _BY_SCRIPT else LATIN


@lru_cache(maxsize=256)
def _scripts(language: str) -> frozenset[str]:
    """The scripts that a language is written in; none for an empty tag."""
    base = language.lower().partition("-")[0]
    if not base:
        return frozenset()
    found = {script for script, tag in _BY_SCRIPT.items() if tag == base}
    found |= {script for script, tags in _OTHERS.items() if base in tags}
    return frozenset(found or {LATIN})


@cache
def _identifier() -> Any:
    """Returns py3langid's model, 4 MB; loading it takes about 0.5 s."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    tags = {*_BY_SCRIPT.values(), *itertools.chain(*_OTHERS.values())}
    identifier.set_languages(sorted(tags & set(identifier.labels)))
    return identifier


def _by_letters(text: str, script: str) -> str:
    """The language of that script which the letters speak for; empty when they don't."""
    tag, probability = _identifier().classify(text)
    return tag if probability >= _CERTAIN and script in _scripts(tag) else ""
