"""Questions about the world: "who painted the mona lisa" has no word in common with a search tool's
examples but its opening. A tool that accepts any words, and has an example with that opening, is
chosen if no other tool fits.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.matching import Match
from assistant.engines.embedded.parameters import is_place, takes_words
from assistant.engines.embedded.profiles import ONCE, SLOT, Anchor, Profile
from assistant.engines.embedded.words import COURTESY, QUESTION_WORDS, Token, similar

_CJK_QUESTION = ("谁", "什么", "哪", "多少", "怎么", "为什么", "几", "多长", "多高", "多大")
_ARTICLES = ("a", "an", "the")

OPENED = 0.42
"""The score of such a match: enough, and no more than that."""


def opening_match(words: Sequence[Token], tools: Sequence[Profile]) -> Match | None:
    """Returns the tool with the example whose opening is the utterance's."""
    asked = [token for token in words if token.word not in COURTESY]
    if not any(token.content for token in asked) or _is_personal(asked):
        return None
    openings = [
        (_common_opening(asked, example), Match(tool, OPENED, example))
        for tool in tools
        if _takes_any_words(tool)
        for example in tool.examples
    ]
    length, match = max(openings, key=lambda opening: opening[0], default=(0, None))
    if match and length > 1:
        return match
    return _general(openings) if _is_question(asked) else None


def _takes_any_words(tool: Profile) -> bool:
    return any(p.required and takes_words(p) and not is_place(p) for p in tool.parameters)


def _is_personal(asked: Sequence[Token]) -> bool:
    return asked[-1].word == "me" or any(token.word in word_class("about_us") for token in asked)


def _is_question(asked: Sequence[Token]) -> bool:
    text = "".join(token.word for token in asked)
    return asked[0].word in QUESTION_WORDS or any(word in text for word in _CJK_QUESTION)


def _common_opening(asked: Sequence[Token], example: Sequence[Anchor]) -> int:
    """Returns the number of common words before the example's argument; 0 if they are not enough.

    A question word is enough by itself; a command ("tell me about") must be complete.
    """
    common = 0
    for token, anchor in zip(asked, example, strict=False):
        if anchor.weight == SLOT or not similar(token.norm, anchor.token.norm):
            break
        common += 1
    if common >= len(asked) or not common or asked[0].word in QUESTION_WORDS:
        return common if common < len(asked) else 0
    following = [anchor for anchor in example[common:] if anchor.token.word not in _ARTICLES]
    return common if common >= 2 and following and following[0].weight in (SLOT, ONCE) else 0


def _general(openings: Sequence[tuple[int, Match]]) -> Match | None:
    """Returns whether the tool answers questions of several kinds, and so of others, too."""
    kinds: dict[str, set[str]] = {}
    first: dict[str, Match] = {}
    for _, match in openings:
        name, opening = match.profile.tool.name, match.example[0].token.word
        if opening in QUESTION_WORDS:
            kinds.setdefault(name, set()).add(opening)
            first.setdefault(name, match)
    most = max(kinds, key=lambda name: len(kinds[name]), default=None)
    return first[most] if most and len(kinds[most]) > 1 else None
