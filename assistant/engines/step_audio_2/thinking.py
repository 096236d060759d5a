"""The form of a thought before an answer, which models of the variant `think` were trained on:

<|BOT|>assistant\\n\\n<think>\\n ... </think>\\n\\n<tts_start>
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.engines.step_audio_2.parser import THINK_CLOSE, THINK_OPEN
from assistant.engines.step_audio_2.prompt import Text
from assistant.engines.step_audio_2.tokens import Mark, Tokenizer

THINK_OPENING: tuple[Text, ...] = ("\n", Mark(THINK_OPEN), "\n")
_AFTER = "\n\n"


def closed_thought(tokenizer: Tokenizer, generated: Sequence[int]) -> list[int]:
    """The ids of a thought with its end in the trained form.

    The token that ended it may hold more than the end (`>` and line feeds are one token), so the
    last one is written anew. A thought that did not come to its end is ended.
    """
    kept, last = list(generated[:-1]), generated[-1:]
    before, text = tokenizer.decode(kept), tokenizer.decode(generated)
    end = text.find(THINK_CLOSE)
    if end < 0:
        return [*kept, *last, *tokenizer.encode("\n", Mark(THINK_CLOSE), _AFTER)]
    rest = text[len(before) : end + len(THINK_CLOSE)]
    return [*kept, *tokenizer.encode(Mark(rest) if rest == THINK_CLOSE else rest, _AFTER)]
