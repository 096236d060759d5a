"""Finds names of places in an utterance: words after "in", or words that no example
accounts for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.matching import Match
from assistant.engines.embedded.profiles import CJK, OFTEN
from assistant.engines.embedded.value_extractors import days
from assistant.engines.embedded.words import COURTESY, Token, is_cjk

_LONGEST = 6  # words of a name without a preposition before it


def place_names(
    words: Sequence[Token], free: Collection[int], match: Match, count: int
) -> Iterator[list[int]]:
    """The names that may be the `count` places asked for, as indices of words."""
    if not count:
        return
    timed = {i for found in days(words) for i in range(found.first, found.end)}
    usable = frozenset(free) - timed
    search = _Search(words, usable, match, joined=count > 1)
    # "to know the weather in rome": "to" counts only if there is no "in".
    spans = list(search.after("place_in")) or list(search.after("place_to")) or search.beside()[:1]
    for span in spans:
        yield from search.parts(span)


@dataclass(frozen=True)
class _Search:
    words: Sequence[Token]
    usable: frozenset[int]
    match: Match
    joined: bool  # two names may be joined by "and"

    def after(self, prepositions: str) -> Iterator[list[int]]:
        """The names behind prepositions of that class."""
        behind = -1
        for i, token in enumerate(self.words):
            if i > behind and i in self.usable and token.word in word_class(prepositions):
                span = self._name_from(i + 1)
                if span and self._is_name(span):
                    behind = span[-1]
                    yield span

    def beside(self) -> list[list[int]]:
        """Returns the words that the nearest example lacks; in Chinese also what only that example
        has.
        """
        for weakest in (0.0, CJK):
            pairs = self.match.pairs
            matched = {i for i, j in pairs if self.match.example[j].weight >= weakest}
            names = [run for run in runs_of(sorted(self.usable - matched)) if self._is_short(run)]
            if names or not any(is_cjk(self.words[i].word) for i in self.usable):
                return names
        return []

    def parts(self, span: list[int]) -> Iterator[list[int]]:
        """ "berlin and tokyo" are two names where two can be used."""
        ands = [n for n, i in enumerate(span) if self.joined and self.words[i].word == "and"]
        middle = ands[0] if ands else len(span)
        yield from filter(None, (span[:middle], span[middle + 1 :]))

    def _name_from(self, start: int) -> list[int]:
        """The words from `start` that may be one name."""
        span: list[int] = []
        for i in range(start, len(self.words)):
            if i not in self.usable or self._known(i) or not self._may_be_inside(self.words[i]):
                break
            span.append(i)
        while span and not self.words[span[-1]].content:
            span.pop()
        return span

    def _may_be_inside(self, token: Token) -> bool:
        if token.word in word_class("inside_name") or (self.joined and token.word == "and"):
            return True
        return token.content and token.word not in COURTESY

    def _is_short(self, span: Sequence[int]) -> bool:
        """A name that stands alone has no other words in it."""
        inside = word_class("inside_name")
        glue = [i for i in span if not self.words[i].content and self.words[i].word not in inside]
        starts = self.words[span[0]].content
        return not glue and starts and len(span) <= _LONGEST and self._is_name(span)

    def _is_name(self, span: Sequence[int]) -> bool:
        """Returns whether the words are a name: not the tool's own words, and not "my ..."."""
        possessive = span[0] > 0 and self.words[span[0] - 1].word in ("my", "your", "our")
        strangers = (i for i in span if self.words[i].content and not self._known(i))
        return not possessive and any(strangers)

    def _known(self, i: int) -> bool:
        return self.match.profile.vocabulary.get(self.words[i].norm, 0.0) >= OFTEN


def runs_of(indices: Sequence[int]) -> list[list[int]]:
    """Groups neighboring indices."""
    runs: list[list[int]] = []
    for i in indices:
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs
