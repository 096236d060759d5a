"""Finds the words of an utterance that are an argument's free text: "the great wall" in "tell me
about the great wall", "new york" in "what's the weather like in new york today".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.matching import Match
from assistant.engines.embedded.parameters import Parameter, is_place, is_query
from assistant.engines.embedded.places import place_names, runs_of
from assistant.engines.embedded.profiles import CJK_ONCE, OFTEN, SLOT, Anchor
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
    for parameter, span in zip(places, place_names(words, free, match, len(places)), strict=False):
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
    """Returns all of a reply to a question, without "it is", "in" and the like before it."""
    kept = _without_courtesy(words, range(len(words)))
    while kept and words[kept[0]].word in word_class("before_answer"):
        kept = kept[1:]
    return span_text(text, _tokens(words, kept))


def _tokens(words: Sequence[Token], span: Sequence[int]) -> list[Token]:
    return [words[i] for i in span]


def _rest(
    words: Sequence[Token], free: Sequence[int], match: Match, parameters: Sequence[Parameter]
) -> Iterator[list[int]]:
    """Returns the words after those that ask for the tool."""
    query = is_query(parameters[0])
    last = max((i + 1 for i, token in enumerate(words) if token.word not in COURTESY), default=0)
    for start in _leads(words, match, query=query):
        end = last if query else last - _tail(words[start:last], match)
        runs = runs_of([i for i in free if start <= i < end])
        span = _trimmed(words, max(runs, key=len, default=[]))
        named = parameters[0].words  # "translate a text" mentions a text without quoting it
        if any(words[i].content and words[i].norm not in named for i in span):
            yield span
            return


def _trimmed(words: Sequence[Token], span: Sequence[int]) -> list[int]:
    kept = _without_courtesy(words, span) or list(span)
    while len(kept) > 1 and words[kept[0]].word in word_class("before_text"):
        kept = kept[1:]
    return kept


def _leads(words: Sequence[Token], match: Match, *, query: bool) -> Iterator[int]:
    """Yields how many words at the beginning may only ask for the tool, the best guess first.

    For a `query` too many words are better than too few, and a question is one as a whole.
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
    asked = query  # True after the tool's own words: other words belong to an argument then
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
    """Returns how many words at the end are the end of an example, behind its argument."""
    return max((_common_end(words, example) for example in match.profile.examples), default=0)


def _common_end(words: Sequence[Token], example: Sequence[Anchor]) -> int:
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
    for run in runs_of(rest):
        span = _trimmed(words, run)
        if any(words[i].content for i in span):
            yield span


def _without_courtesy(words: Sequence[Token], span: Sequence[int]) -> list[int]:
    kept = list(span)
    while kept and words[kept[0]].word in COURTESY:
        kept = kept[1:]
    while kept and words[kept[-1]].word in COURTESY:
        kept = kept[:-1]
    return kept
