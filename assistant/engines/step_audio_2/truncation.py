"""Truncation by tokens: how much of a response was played, by the tokens that it consists of.

The model writes text ahead of its audio: one text token, then four speech tokens, until the text
has run out (interleaving ta4). Once it has run out, the words are spread evenly over all of the
audio; before that, the text that was written before the last played speech token counts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.engines.step_audio_2.parser import OutputParser, marks
from assistant.engines.step_audio_2.prompt_builder import TOOL_CALL
from assistant.engines.step_audio_2.tokens import Tokenizer
from assistant.events import TextDelta
from assistant.messages import AssistantMessage

TOKENS_A_SECOND = 25
_SPEECH_RUN = 8  # speech tokens in a row after which no more text comes


def truncate(
    message: AssistantMessage, seconds: float, tokenizer: Tokenizer
) -> AssistantMessage | None:
    """Returns the message as played in the first `seconds` of its audio; None if it has no audio.

    Its tokens are a prefix of those that were generated, so that the cached prefix stays valid;
    then the end of speech, and the calls as they were generated.
    """
    answer = _ResponseTokens.read(message.tokens, tokenizer)
    count = _played_tokens(seconds, len(answer.speech))
    if not answer.speech:
        return None
    if count == len(answer.speech):
        return message
    if not count:
        return replace(message, text="", tokens=())
    tokens = (*message.tokens[: answer.speech[count - 1] + 1], tokenizer.special.tts_end)
    if message.calls:
        # Without the token that begins a call, the calls can only be encoded again as a whole.
        tokens = (*tokens, *answer.calls) if answer.calls else ()
    return replace(message, text=_played_text(answer, count, tokenizer), tokens=tokens)


def _played_tokens(seconds: float, at_most: int) -> int:
    """Returns a number of whole speech tokens; 0 for a time that is not a number."""
    if not seconds > 0:
        return 0
    # 1.16 s are 29 tokens, not 28.999999999999996.
    return int(min(seconds * TOKENS_A_SECOND + 1e-6, at_most))


@dataclass(frozen=True, slots=True)
class _ResponseTokens:
    """The places of text, speech and calls in a response's tokens; each id is classified
    by itself.
    """

    tokens: Sequence[int]
    speech: list[int]  # places of speech tokens
    words: list[int]  # places of text that is spoken: nothing after the end of speech
    calls: Sequence[int]  # ids, from the first call on
    is_padded: bool  # the text ran out before the audio

    @classmethod
    def read(cls, tokens: Sequence[int], tokenizer: Tokenizer) -> _ResponseTokens:
        special, silent = tokenizer.special, marks(tokenizer)
        speech = [at for at, id_ in enumerate(tokens) if special.speech_token(id_) is not None]
        after = speech[-1] + 1 if speech else 0
        end = _find(tokens, {special.tts_end, tokenizer.id_of(TOOL_CALL)}, after)
        words = [
            at
            for at, id_ in enumerate(tokens[:end])
            if id_ not in silent and not special.is_speech_or_padding(id_)
        ]
        calls = tokens[_find(tokens, {tokenizer.id_of(TOOL_CALL)}, end) :]
        return cls(tokens, speech, words, calls, special.tts_pad in tokens[:end])

    @property
    def has_run_out(self) -> bool:
        """Returns whether its text ended before its audio."""
        last = self.words[-1] if self.words else 0
        return self.is_padded or sum(at > last for at in self.speech) >= _SPEECH_RUN


def _find(tokens: Sequence[int], wanted: set[int | None], start: int) -> int:
    """Place of the first of them from `start` on, or the end."""
    return next((at for at in range(start, len(tokens)) if tokens[at] in wanted), len(tokens))


def _played_text(answer: _ResponseTokens, count: int, tokenizer: Tokenizer) -> str:
    """Returns the text of the first `count` speech tokens, at least one."""
    end = answer.speech[count - 1]
    words = sum(at < end for at in answer.words)
    if answer.has_run_out:
        words = min(words, -(-len(answer.words) * count // len(answer.speech)))
    ids = [answer.tokens[at] for at in answer.words]
    # A character that was cut in two is not yet there.
    played = text_of(ids[:words], tokenizer).removesuffix("\ufffd")
    return _whole_words(played, text_of(ids, tokenizer))


def _whole_words(played: str, text: str) -> str:
    """Returns the text without a last word that is cut in two."""
    end = len(played)
    if text.startswith(played) and _is_letter(text[end : end + 1]):
        while end and _is_letter(text[end - 1]):
            end -= 1
    return played[:end].rstrip()


def _is_letter(character: str) -> bool:
    """Returns whether it is a letter of a longer word; in Chinese and Japanese each character is a
    word.
    """
    return character.isalnum() and unicodedata.east_asian_width(character) not in "WF"


def text_of(tokens: Sequence[int], tokenizer: Tokenizer) -> str:
    parser = OutputParser(tokenizer)
    pieces = [piece for token in tokens for piece in parser.feed(token)]
    texts = [piece.text for piece in (*pieces, *parser.finish()) if isinstance(piece, TextDelta)]
    return "".join(texts)
