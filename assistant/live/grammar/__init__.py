"""May the user's turn end here? A sentence that hangs gets more time than one that is whole.

It reads what a recognizer writes: no marks, all lower case, and never quite what was said. So it
asks only how the words end, by their classes; that takes microseconds, and can be asked at every
pause. Where a recognizer writes marks, they count too.
"""

from __future__ import annotations

import re

from assistant.live.grammar.chinese import is_complete_chinese
from assistant.live.grammar.english import is_complete_english

_MAX_CHARS = 400
_GOES_ON = (",", ";", ":", "-", "–", "—", "…", "...", "，", "、", "；", "：", "——")
_QUESTION = ("?", "？", "؟")
_FULL_STOP = (".", "!", "。", "！", "｡", "।", "۔")
_CHINESE = re.compile("[\u3400-\u9fff]")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7af]")
_SENTENCE_END = re.compile(r"[.?!。！？]+(?=\s|$)|[。！？]+")


def is_complete(text: str, language: str = "") -> bool | None:
    """True: it may end here; False: more will follow; None: can't tell.

    `language`: BCP 47; empty: by its letters. Other languages than English and Chinese are judged
    by their marks alone.
    """
    text = text[-_MAX_CHARS:].strip(" \t\n\"'»”’)）」』")
    if text.endswith(_GOES_ON):
        return False
    if text.endswith(_QUESTION):
        return True
    stopped = text.endswith(_FULL_STOP)
    last = _last_sentence(text)
    verdict = _by_words(last, language.lower().partition("-")[0])
    return True if verdict is None and stopped and last else verdict


def _by_words(sentence: str, language: str) -> bool | None:
    if language in ("zh", "yue", "cmn") or (not language and _is_chinese(sentence)):
        return is_complete_chinese(sentence)
    if language == "en" or (not language and sentence.isascii()):
        return is_complete_english(sentence)
    return None


def _is_chinese(text: str) -> bool:
    return bool(_CHINESE.search(text)) and not _KANA_OR_HANGUL.search(text)


def _last_sentence(text: str) -> str:
    pieces = [piece for piece in _SENTENCE_END.split(text) if piece.strip()]
    return pieces[-1].strip() if pieces else ""
