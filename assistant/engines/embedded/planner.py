"""Plans an utterance: which tools are called, in which order, with which arguments.

It knows no tool by name. Each is judged by its own words and examples (`profiles`), so that a
plugin that was just installed is understood as well as a bundled tool.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.engines.embedded.arguments import fill, fill_answer, missing
from assistant.engines.embedded.effort import Effort
from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.matching import Match, Matcher
from assistant.engines.embedded.openings import opening_match
from assistant.engines.embedded.parameters import Parameter
from assistant.engines.embedded.profiles import profiles
from assistant.engines.embedded.words import COURTESY, QUESTION_WORDS, Token, tokens
from assistant.messages import ToolSchema

_FITS = 0.4  # a lower score is not a request for the tool
_CERTAIN = 0.45  # the score of every part if an utterance is split into several requests
_STRONG = 0.6  # the score of a part that lacks an argument
_JOINED_BONUS = 0.15  # for two clear requests, with "and" or "please" between them
_LACKING_COST = 0.15
_PART_COST = 0.04  # one request is the better reading unless several fit clearly better
_SHORTLIST = 12  # tools that are tried on every part
_SHORT = 40  # words; a longer utterance is divided at its marks only


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked for: a tool, and the arguments that were found."""

    tool: ToolSchema
    arguments: dict[str, Any]
    missing: tuple[Parameter, ...]
    score: float


@dataclass(frozen=True, slots=True)
class _Reading:
    requests: tuple[Request, ...]
    value: float  # the mean score by words, less the cost of each further part


def plan(
    text: str,
    tools: Sequence[ToolSchema],
    effort: Effort | None = None,
    *,
    certain: bool = True,
    openings: bool = True,
) -> tuple[Request, ...]:
    """Returns the requests in the text, in order; empty if no tool fits.

    `certain` is False for words that may be misrecognized: a tool then needs more evidence.
    `openings` is False if the opening of a question is not enough. Once the effort is exhausted,
    the best of the readings that were tried is returned.
    """
    effort = effort or Effort()
    words = tokens(text)
    matchers = _shortlist([Matcher(words, profile, effort) for profile in profiles(tools)])
    if not words or not matchers:
        return ()
    readings = list(_Search(text, words, matchers, effort).readings())
    best = max(readings, key=lambda reading: reading.value, default=None)
    if best and (certain or best.value >= 1.2 * _FITS):
        return best.requests
    opened = opening_match(words, profiles(tools)) if certain and openings else None
    request = _request(text, words, opened) if opened else None
    return (request,) if request and not request.missing else ()


def best_guess(text: str, tools: Sequence[ToolSchema]) -> Request | None:
    """Returns the request of the tool that fits best, for a call that must be made.

    A missing text is the utterance itself. None if something else is missing.
    """
    words, effort = tokens(text), Effort()
    matches = (Matcher(words, profile, effort).best() for profile in profiles(tools))
    best = max(matches, key=lambda match: match.score, default=None)
    if best is None:
        return None
    request = _request(text, words, best)
    found = {one.name: fill_answer(text, one) for one in request.missing}
    if None in found.values():
        return None
    return Request(request.tool, {**request.arguments, **found}, (), request.score)


def _shortlist(matchers: Sequence[Matcher]) -> list[Matcher]:
    """Returns the tools that share the heaviest words with the utterance."""
    if len(matchers) <= _SHORTLIST:
        return list(matchers)
    scores = [matcher.best().score for matcher in matchers]
    order = sorted(range(len(matchers)), key=lambda i: (scores[i], -i), reverse=True)
    return [matchers[i] for i in order[:_SHORTLIST]]


_Split = tuple[float, tuple[Request, ...]]


class _Search:
    """The search for the readings of one utterance."""

    def __init__(
        self, text: str, words: Sequence[Token], matchers: Sequence[Matcher], effort: Effort
    ) -> None:
        self._text = text
        self._words = words
        self._matchers = matchers
        self._effort = effort
        self._splits: dict[int, _Split | None] = {}

    def readings(self) -> Iterator[_Reading]:
        """Yields the utterance as one request, and as the sequence of requests that fits best."""
        whole = self._best_request(0, len(self._words))
        if whole:
            yield _Reading((whole,), whole.score)
        parts = self._split(0)
        if parts and len(parts[1]) > 1:
            yield _Reading(parts[1], parts[0] / len(self._words))

    def _split(self, start: int) -> _Split | None:
        """Returns the best division of the words from `start` on into requests.

        The value is the sum of score times words. None if the words are not a sequence of requests,
        or if the effort is exhausted.
        """
        if start >= len(self._words):
            return 0.0, ()
        if start not in self._splits:
            self._splits[start] = self._best_split(start)
        return self._splits[start]

    def _best_split(self, start: int) -> _Split | None:
        options: list[_Split] = []
        for end in _ends(self._words, start):
            if self._effort.exhausted:
                break
            request = self._part(start, end)
            rest = request and self._split(end)
            if request and rest:
                border = self._words[end] if end < len(self._words) else None
                cost = _cost(request, rest[1], border)
                value = (request.score - cost) * (end - start) + rest[0]
                options.append((value, (request, *rest[1])))
        return max(options, key=lambda option: option[0], default=None)

    def _part(self, start: int, end: int) -> Request | None:
        """Returns a request beside others: it must fit well, and better if it lacks something."""
        request = self._best_request(start, end)
        needed = _STRONG if request and request.missing else _CERTAIN
        return request if request and request.score >= needed else None

    def _best_request(self, start: int, end: int) -> Request | None:
        matches = [matcher.best(start, end) for matcher in self._matchers]
        best = max(matches, key=lambda match: match.score)
        if best.score < _FITS:
            return None
        self._effort.spend(end - start)
        return _request(self._text, self._words[start:end], best)


def _cost(request: Request, following: Sequence[Request], border: Token | None) -> float:
    """Returns the deduction from the score of a request that others follow."""
    lacking = _LACKING_COST if request.missing else 0.0
    if border is None or border.breaks:
        return lacking
    both = request, *following[:1]
    if border.word in COURTESY and all(one.score >= _STRONG and not one.missing for one in both):
        return -_JOINED_BONUS
    return lacking + _PART_COST


def _ends(words: Sequence[Token], start: int) -> Iterator[int]:
    """Yields the possible ends of a request: the end, a full stop, or before an opening word."""
    for end in range(start + 2, len(words) - 1):
        token = words[end]
        if words[end - 1].word in word_class("place_in"):
            continue
        opens = token.word in COURTESY or token.word in QUESTION_WORDS or token.content
        if token.breaks or (opens and len(words) <= _SHORT):
            yield end
    yield len(words)


def _request(text: str, words: Sequence[Token], match: Match) -> Request:
    arguments = fill(text, words, match)
    lacking = missing(arguments, match.profile.parameters)
    return Request(match.profile.tool, arguments, tuple(lacking), match.score)
