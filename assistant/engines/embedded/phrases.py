"""The engine's own phrases, and the small talk that they reply to."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from assistant.engines.embedded.lexicon import read
from assistant.lead_in_phrases import lead_ins

_MAX_SMALL_TALK = 200  # characters; a longer text says something else besides
_NOT_WORDS = re.compile(r"[^\w]+|_")


def phrase(name: str, language: str, *values: str) -> str:
    """Returns the phrase of phrases.toml in that language, or in English if there is none."""
    return str(_find(name, language)).format(*values)


def lead_in(language: str, previous: str) -> str:
    """A short sentence to say while a tool runs; never the previous one again."""
    options = lead_ins(language)
    after = options.index(previous) + 1 if previous in options else 0
    return options[after % len(options)]


def small_talk(text: str) -> tuple[str, str]:
    """Returns topic and language if the whole text is a greeting, thanks and the like; empty
    otherwise.
    """
    if len(text) > _MAX_SMALL_TALK:
        return "", ""
    said = _NOT_WORDS.sub(" ", re.sub(r"['’]s\b", " is", text.lower())).strip()
    found = ((topic, tag) for topic, tag, form in _small_talk() if form.fullmatch(said))
    return next(found, ("", ""))


def _find(name: str, language: str) -> Any:
    table = read("phrases.toml")
    return table.get(language.lower().partition("-")[0], {}).get(name) or table["en"][name]


@cache
def _small_talk() -> list[tuple[str, str, re.Pattern[str]]]:
    return [
        (topic, tag, re.compile(form))
        for tag, table in read("phrases.toml").items()
        for topic, form in table["small_talk"].items()
    ]
