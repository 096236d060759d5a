"""How much of an answer was heard, by the tokens that it was made of.

The model writes text ahead of its sound: one text token, then four speech tokens, until the text
has run out (ta4). So once it has, the words are spread evenly over all the sound; as long as it
has not, those are taken that were written before the last speech token that was heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from assistant.engines.step_audio_2.parser import OutputParser
from assistant.engines.step_audio_2.tokens import Tokenizer
from assistant.events import TextDelta
from assistant.messages import AssistantMessage

TOKENS_A_SECOND = 25
_SPEECH_RUN = 8  # speech tokens in a row that tell that no more text comes


def cut(message: AssistantMessage, seconds: float, tokenizer: Tokenizer) -> AssistantMessage | None:
    """The message as heard in the first `seconds` of its sound; None where it has none.

    Its tokens are the beginning of those that were generated, so what the cache holds of them
    stays valid. A message that called keeps its calls, and is written anew.
    """
    special = tokenizer.special
    speech = [at for at, id_ in enumerate(message.tokens) if special.speech_token(id_) is not None]
    if not speech:
        return None
    count = min(int(seconds * TOKENS_A_SECOND), len(speech))
    if count == len(speech):
        return message
    end = speech[count - 1] + 1 if count else 0
    text = _heard_text(message.tokens, end, count / len(speech), speech, tokenizer)
    closed = (*message.tokens[:end], special.tts_end) if end else ()
    return replace(message, text=text, tokens=() if message.calls else closed)


def _heard_text(
    tokens: Sequence[int], end: int, share: float, speech: Sequence[int], tokenizer: Tokenizer
) -> str:
    special = tokenizer.special
    texts = [
        at
        for at, id_ in enumerate(tokens)
        if not special.is_speech_or_padding(id_) and id_ != special.tts_pad
    ]
    count = sum(at < end for at in texts)
    if _has_run_out(tokens, texts, speech, special.tts_pad):
        count = min(count, ceil(len(texts) * share))
    heard = [tokens[at] for at in texts[:count]]
    text = text_of(heard, tokenizer).removesuffix("\ufffd")  # a character that was cut in two
    following = tokenizer.token_bytes(tokens[texts[count]]) if count < len(texts) else b" "
    return text if following[:1].isspace() or not following[:1].isalnum() else _whole_words(text)


def _has_run_out(
    tokens: Sequence[int], texts: Sequence[int], speech: Sequence[int], pad: int
) -> bool:
    last = texts[-1] if texts else 0
    return pad in tokens or sum(at > last for at in speech) >= _SPEECH_RUN


def _whole_words(text: str) -> str:
    """Without the word that is cut in two."""
    return text[: text.rfind(" ") + 1].rstrip()


def text_of(tokens: Sequence[int], tokenizer: Tokenizer) -> str:
    parser = OutputParser(tokenizer)
    pieces = [piece for token in tokens for piece in parser.feed(token)]
    texts = [piece.text for piece in (*pieces, *parser.finish()) if isinstance(piece, TextDelta)]
    return "".join(texts)
