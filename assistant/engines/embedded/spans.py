"""Which words of an utterance are an argument's free text: "the great wall" in "tell me about the
great wall", "new york" in "what's the weather like in new york today"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.matching import Match
from assistant.engines.embedded.parameters import Parameter, is_place, is_query
from assistant.engines.embedded.profiles import CJK, CJK_ONCE, OFTEN, SLOT, Anchor
from assistant.engines.embedded.recognisers import days
from assistant.engines.embedded.words import (
    COURTESY,
    QUESTION_WORDS,
    Token,
    is_cjk,
    similar,
    span_text,
)

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
    places = [parameter for parameter in parameters if is_place(parameter)]
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
    while kept and words[kept[0]].word in word_class("before_answer"):
        kept = kept[1:]
    return span_text(text, _tokens(words, kept))


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
    spans = (
        list(_after(word_class("place_in"), words, usable, known))
        or list(_after(word_class("place_to"), words, usable, known))
        or _names_beside(words, usable, match)[:1]
    )
    for span in spans:
        yield from _two(words, span) if len(parameters) > 1 else [span]


def _names_beside(words: Sequence[Token], usable: set[int], match: Match) -> list[list[int]]:
    """What the nearest example doesn't have; in Chinese also what only that example has."""
    known = match.profile.vocabulary
    for weakest in (0.0, CJK):
        matched = {i for i, j in match.pairs if match.example[j].weight >= weakest}
        runs = _runs(sorted(usable - matched))
        names = [run for run in runs if _is_short_name(words, run) and _is_name(words, run, known)]
        if names:
            return names
        if not any(is_cjk(words[i].word) for i in usable):
            break
    return []


def _is_short_name(words: Sequence[Token], span: Sequence[int]) -> bool:
    glue = [
        i for i in span if not words[i].content and words[i].word not in word_class("inside_name")
    ]
    return not glue and len(span) <= 6 and words[span[0]].content


def _after(
    prepositions: frozenset[str], words: Sequence[Token], usable: set[int], known: dict[str, float]
) -> Iterator[list[int]]:
    i = 0
    while i < len(words):
        if words[i].word in prepositions and i in usable:
            span = _name_from(words, i + 1, usable, known)
            if span and _is_name(words, span, known):
                yield span
                i = span[-1]
        i += 1


def _name_from(
    words: Sequence[Token], start: int, usable: set[int], known: dict[str, float]
) -> list[int]:
    """The words from `start` that may be one name."""
    span: list[int] = []
    for i in range(start, len(words)):
        token = words[i]
        if i not in usable or (token.word in COURTESY and token.word != "and"):
            break
        if not token.content and token.word not in word_class("inside_name"):
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
    query = is_query(parameters[0])
    for start in _leads(words, match, query=query):
        end = len(words) if query else len(words) - _tail(words[start:], match)
        runs = _runs([i for i in free if start <= i < end])
        span = _trimmed(words, max(runs, key=len, default=[]))
        if any(words[i].content for i in span):
            yield span
            return


def _trimmed(words: Sequence[Token], span: Sequence[int]) -> list[int]:
    kept = _without_courtesy(words, span) or list(span)
    while len(kept) > 1 and words[kept[0]].word in word_class("before_text"):
        kept = kept[1:]
    return kept


def _leads(words: Sequence[Token], match: Match, *, query: bool) -> Iterator[int]:
    """How many words at the beginning may only ask for the tool, the best guess first.

    Of a `query` too much is better than too little, and a question is one as a whole.
    """
    start = _courtesy_end(words)
    if query and start < len(words) and words[start].word in QUESTION_WORDS:
        yield start
    examples = match.profile.examples
    leads = {lead for example in examples for lead in _common(words[start:], example, query)}
    yield from (start + lead for lead in sorted(leads, reverse=True))
    known = match.profile.vocabulary
    while start < len(words) and _asks(words[start], known):
        start += 1
    yield start


def _asks(token: Token, known: dict[str, float]) -> bool:
    """True for a word that belongs to the tool, or to no argument."""
    if not token.content:
        return token.word not in QUESTION_WORDS
    return token.norm in known or any(similar(token.norm, word) for word in known)


def _courtesy_end(words: Sequence[Token]) -> int:
    """Skips "please", "can you", "i would like you to"."""
    index = 0
    while index < len(words) and words[index].word in COURTESY:
        index += 1
    polite = index
    while polite < len(words) and words[polite].word in word_class("asking"):
        polite += 1
    if polite - index >= 2:
        index = polite
    while index < len(words) and words[index].word in COURTESY:
        index += 1
    return index


def _common(words: Sequence[Token], example: Sequence[Anchor], query: bool) -> Iterator[int]:
    """The lengths of the common beginning after which an argument may follow."""
    asked = query  # True once the tool's own words were met: other words are an argument's then
    for index, (token, anchor) in enumerate(zip(words[:-1], example, strict=False), 1):
        if anchor.weight == SLOT or not similar(token.norm, anchor.token.norm):
            break
        if query and token.word in QUESTION_WORDS:
            break
        own = anchor.weight >= OFTEN
        if not asked or own or not token.content or is_cjk(token.word):
            yield index
        asked = asked or own


def _tail(words: Sequence[Token], match: Match) -> int:
    """How many words at the end are the end of the nearest example, behind its argument."""
    example = match.example
    count = 0
    while count < min(len(words), len(example)) - 1:
        anchor = example[-1 - count]
        if anchor.weight in (SLOT, CJK_ONCE) or words[-1 - count].norm != anchor.token.norm:
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
