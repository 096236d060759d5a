"""Which words of an utterance are an argument's free text: "the great wall" in "tell me about the
great wall", "new york" in "what's the weather like in new york today"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from assistant.engines.embedded.matching import Match
from assistant.engines.embedded.profiles import OFTEN, SLOT, Anchor, Parameter
from assistant.engines.embedded.recognisers import days
from assistant.engines.embedded.words import (
    COURTESY,
    QUESTION_WORDS,
    Token,
    is_cjk,
    similar,
    span_text,
)

_PLACE = re.compile(r"\b(?:city|town|place|location|country|address|where|region|time zone)\b")
_QUERY = frozenset(["query", "question", "search", "topic", "keyword"])
_BEFORE_PLACE = frozenset(
    [
        "in",
        "at",
        "for",
        "near",
        "of",
        "between",
        "from",
        "around",
        "to",
        "over",
        "für",
        "à",
        "en",
        "在",
    ]
)
_INSIDE_NAME = frozenset(
    [
        "of",
        "the",
        "and",
        "de",
        "la",
        "le",
        "el",
        "los",
        "las",
        "del",
        "di",
        "da",
        "do",
        "an",
        "am",
        "y",
    ]
)
_ASKING = frozenset(
    ["can", "could", "would", "will", "you", "i", "we", "want", "need", "like", "to", "d", "me"]
)
_BEFORE_ANSWER = frozenset(
    [
        "it",
        "is",
        "its",
        "in",
        "for",
        "at",
        "to",
        "on",
        "of",
        "i",
        "mean",
        "meant",
        "about",
        "that",
        "would",
        "be",
    ]
)
_BEFORE_TEXT = frozenset(["to", "that", "about", "for", "of", "saying", "is", "zu", "关于"])

Spans = Iterator[tuple[Parameter, str]]


def free_spans(
    text: str,
    words: Sequence[Token],
    taken: set[int],
    match: Match,
    parameters: Sequence[Parameter],
) -> Spans:
    """Each argument with its words; those for which nothing is left are not given."""
    free = [i for i in range(len(words)) if i not in taken]
    places = [parameter for parameter in parameters if _is_place(parameter)]
    texts = [parameter for parameter in parameters if parameter not in places]
    used: set[int] = set()
    for parameter, span in zip(places, _places(words, free, match, places), strict=False):
        used.update(span)
        yield parameter, span_text(text, _tokens(words, span))
    free = [i for i in free if i not in used]
    required = [parameter for parameter in texts if parameter.required]
    chosen = required or ([] if used else texts[:1])
    find = _rest if len(chosen) == 1 else _gaps
    for parameter, span in zip(chosen, find(words, free, match, chosen), strict=False):
        if any(words[i].content for i in span):
            yield parameter, span_text(text, _tokens(words, span))


def whole(text: str, words: Sequence[Token]) -> str:
    """All of an answer to a question, without "it is", "in" and the like before it."""
    kept = _without_courtesy(words, range(len(words)))
    while kept and words[kept[0]].word in _BEFORE_ANSWER:
        kept = kept[1:]
    return span_text(text, _tokens(words, kept))


def _is_place(parameter: Parameter) -> bool:
    return bool(_PLACE.search(parameter.about))


def _tokens(words: Sequence[Token], span: Sequence[int]) -> list[Token]:
    return [words[i] for i in span]


def _places(
    words: Sequence[Token], free: Sequence[int], match: Match, parameters: Sequence[Parameter]
) -> Iterator[list[int]]:
    """The names of places: after a preposition, else what no example accounts for."""
    if not parameters:
        return
    timed = {i for found in days(words) for i in range(found.first, found.end)}
    usable = set(free) - timed
    known = match.profile.vocabulary
    found = False
    for span in _after_prepositions(words, usable, known):
        found = True
        yield from _two(words, span) if len(parameters) > 1 else [span]
    if not found:
        matched = {i for i, _ in match.pairs}
        rest = [i for i in _runs(sorted(usable - matched)) if _is_name(words, i, known)]
        yield from sorted(rest, key=len, reverse=True)[:1]


def _after_prepositions(
    words: Sequence[Token], usable: set[int], known: dict[str, float]
) -> Iterator[list[int]]:
    i = 0
    while i < len(words):
        if words[i].word in _BEFORE_PLACE and i in usable:
            span = _name_from(words, i + 1, usable)
            if span and _is_name(words, span, known):
                yield span
                i = span[-1]
        i += 1


def _name_from(words: Sequence[Token], start: int, usable: set[int]) -> list[int]:
    """The words from `start` that may be one name."""
    span: list[int] = []
    for i in range(start, len(words)):
        token = words[i]
        if i not in usable or (token.word in COURTESY and token.word != "and"):
            break
        if not token.content and token.word not in _INSIDE_NAME:
            break
        span.append(i)
    while span and not words[span[-1]].content:
        span.pop()
    return span


def _two(words: Sequence[Token], span: list[int]) -> Iterator[list[int]]:
    """ "berlin and tokyo" are two names where two can be used."""
    middle = next((n for n, i in enumerate(span) if words[i].word == "and"), None)
    parts = [span] if middle is None else [span[:middle], span[middle + 1 :]]
    yield from filter(None, parts)


def _is_name(words: Sequence[Token], span: Sequence[int], known: dict[str, float]) -> bool:
    """Not made of words that belong to the tool, or to no name at all."""
    strangers = [i for i in span if words[i].content and known.get(words[i].norm, 0.0) < OFTEN]
    possessive = span[0] > 0 and words[span[0] - 1].word in ("my", "your", "our")
    return bool(strangers) and not possessive


def _rest(
    words: Sequence[Token], free: Sequence[int], match: Match, parameters: Sequence[Parameter]
) -> Iterator[list[int]]:
    """What follows the words that ask for the tool."""
    query = bool(parameters[0].words & _QUERY) or "search" in parameters[0].about
    start = _lead(words, match, keep_questions=query)
    if start is None:
        return
    end = len(words) if query else len(words) - _tail(words[start:], match)
    rest = [i for i in range(start, end) if i in set(free)]
    runs = sorted(_runs(rest), key=len, reverse=True)
    if runs:
        yield _trimmed(words, runs[0])


def _trimmed(words: Sequence[Token], span: Sequence[int]) -> list[int]:
    kept = _without_courtesy(words, span)
    while len(kept) > 1 and words[kept[0]].word in _BEFORE_TEXT:
        kept = kept[1:]
    return kept


def _lead(words: Sequence[Token], match: Match, *, keep_questions: bool) -> int | None:
    """How many words at the beginning only ask for the tool."""
    start = _courtesy_end(words)
    if start < len(words) and keep_questions and words[start].word in QUESTION_WORDS:
        return start
    leads = [
        _common_lead(words[start:], example, keep_questions) for example in match.profile.examples
    ]
    longest = max(leads, default=0)
    if longest:
        return start + longest
    known = match.profile.vocabulary
    while start < len(words) and (
        (not words[start].content and words[start].word not in QUESTION_WORDS)
        or similar_to_any(words[start].norm, known)
    ):
        start += 1
    return start if start < len(words) else None


def similar_to_any(norm: str, known: dict[str, float]) -> bool:
    return norm in known or any(similar(norm, word) for word in known)


def _courtesy_end(words: Sequence[Token]) -> int:
    """Skips "please", "can you", "i would like you to"."""
    index = 0
    while index < len(words) and words[index].word in COURTESY:
        index += 1
    polite = index
    while polite < len(words) and words[polite].word in _ASKING:
        polite += 1
    if polite - index >= 2:
        index = polite
    while index < len(words) and words[index].word in COURTESY:
        index += 1
    return index


def _common_lead(words: Sequence[Token], example: Sequence[Anchor], questions: bool) -> int:
    """The common beginning up to a word that leads on to an argument."""
    common = 0
    for index, (token, anchor) in enumerate(zip(words, example, strict=False)):
        if anchor.weight == SLOT or not similar(token.norm, anchor.token.norm):
            break
        if questions and token.word in QUESTION_WORDS:
            break
        if not token.content or anchor.weight >= OFTEN or is_cjk(token.word):
            common = index + 1
    return common if common < len(words) else 0


def _tail(words: Sequence[Token], match: Match) -> int:
    """How many words at the end are the end of the nearest example, behind its argument."""
    example = match.example
    count = 0
    while count < min(len(words), len(example)) - 1:
        anchor = example[-1 - count]
        if anchor.weight == SLOT or words[-1 - count].norm != anchor.token.norm:
            break
        count += 1
    return count


def _gaps(
    words: Sequence[Token], free: Sequence[int], match: Match, parameters: Sequence[Parameter]
) -> Iterator[list[int]]:
    """The stretches that the nearest example doesn't have, in order."""
    matched = {i for i, _ in match.pairs}
    known: Callable[[int], bool] = lambda i: words[i].norm in match.profile.vocabulary  # noqa: E731
    rest = [i for i in free if i not in matched and (match.pairs or not known(i))]
    for run in _runs(rest):
        span = _trimmed(words, run)
        if any(words[i].content for i in span):
            yield span


def _runs(indices: Sequence[int]) -> list[list[int]]:
    """Neighbouring indices together."""
    runs: list[list[int]] = []
    for i in indices:
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _without_courtesy(words: Sequence[Token], span: Sequence[int]) -> list[int]:
    kept = list(span)
    while kept and words[kept[0]].word in COURTESY:
        kept = kept[1:]
    while kept and words[kept[-1]].word in COURTESY:
        kept = kept[:-1]
    return kept
