"""Questions about the world: "who painted the mona lisa" has no word in common with a search
tool's examples but its opening. A tool that takes any words, and has an example that opens so, is
taken where no other tool fits."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.engines.embedded.matching import Match
from assistant.engines.embedded.profiles import GLUE, SLOT, Anchor, Profile
from assistant.engines.embedded.words import COURTESY, QUESTION_WORDS, Token, is_cjk, similar

_ABOUT_US = frozenset(
    [
        "you",
        "your",
        "yours",
        "yourself",
        "me",
        "my",
        "mine",
        "i",
        "we",
        "us",
        "our",
        "你",
        "您",
        "我",
        "du",
        "dein",
        "tu",
        "ton",
    ]
)
_CJK_QUESTION = ("谁", "什么", "哪", "多少", "怎么", "为什么", "几", "多长", "多高", "多大")


def opening_match(words: Sequence[Token], tools: Sequence[Profile]) -> Match | None:
    """The tool with the example whose opening is the utterance's."""
    asked = [token for token in words if token.word not in COURTESY]
    if not any(token.content for token in asked) or _personal(asked):
        return None
    best: tuple[int, Match] | None = None
    for tool in tools:
        if not tool.open:
            continue
        for example in tool.examples:
            length = _common_opening(asked, example)
            if length and (best is None or length > best[0]):
                best = length, Match(tool, 0.0, example)
    return best[1] if best else _cjk_question(asked, tools)


def _personal(asked: Sequence[Token]) -> bool:
    """About the assistant or the user: no search can tell ("who are you", "what is my name")."""
    return any(token.word in _ABOUT_US for token in asked[1:] if token.word != "me") or (
        asked[-1].word == "me"
    )


def _common_opening(asked: Sequence[Token], example: Sequence[Anchor]) -> int:
    """Words in common before the example's argument begins; 0 where that is not enough.

    A question word is enough by itself; a command ("tell me about") must be there in full.
    """
    common = 0
    for token, anchor in zip(asked, example, strict=False):
        if anchor.weight == SLOT or not similar(token.norm, anchor.token.norm):
            break
        common += 1
    if not common or common >= len(asked):
        return 0
    if asked[0].word in QUESTION_WORDS:
        return common
    full = common < len(example) and example[common].weight in (SLOT, GLUE)
    return common if full and common >= 2 else 0


def _cjk_question(asked: Sequence[Token], tools: Sequence[Profile]) -> Match | None:
    text = "".join(token.word for token in asked)
    if not any(word in text for word in _CJK_QUESTION):
        return None
    for tool in tools:
        for example in tool.examples:
            if tool.open and is_cjk(example[0].token.word):
                return Match(tool, 0.0, example)
    return None
