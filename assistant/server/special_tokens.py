"""Text on its way out: without the special tokens of a model, also when one comes in pieces."""

from __future__ import annotations

import re

TTS_START = "<tts_start>"

_SPECIAL = re.compile(r"<(?:audio_\d+|tts_(?:start|end|pad)|audio_(?:start|end|patch)|\|\w+\|)>")
_BRACKET = re.compile(r"([<>])")
_BEGINNING = re.compile(r"(?:<\|?\w{0,30}\|?){1,4}$")


class SpecialTokenFilter:
    """Takes special tokens (`<tts_start>`, `<audio_12>`, `<|EOT|>`) out of a stream of text."""

    def __init__(self) -> None:
        self._held = ""  # what may be the beginning of a special token

    def feed(self, text: str) -> str:
        """The next piece; returns what is certain by now."""
        text = without_special_tokens(self._held + text)
        beginning = _BEGINNING.search(text)
        certain = beginning.start() if beginning else len(text)
        self._held = text[certain:]
        return text[:certain]

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held


def without_special_tokens(text: str) -> str:
    """Removes special tokens, also those that appear when one inside of them is removed.

    Takes time in proportion to the length of the text, however deep its tokens are nested: like
    brackets, each `>` can only end the token that the last open `<` began.
    """
    if "<" not in text:
        return text
    out: list[str] = []
    open_brackets: list[int] = []  # the places of `<` in `out`
    for piece in _BRACKET.split(text):
        out.append(piece)
        if piece == "<":
            open_brackets.append(len(out) - 1)
        elif piece == ">" and open_brackets:
            start = open_brackets.pop()
            if _SPECIAL.fullmatch("".join(out[start:])):
                del out[start:]
            else:
                open_brackets.clear()  # a token holds no `>` but its last character
    return "".join(out)
