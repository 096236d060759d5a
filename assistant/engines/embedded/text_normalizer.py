"""Makes written text speakable: no markup, no emoji, no addresses read letter by letter."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

_TAG = re.compile(r"<\|?/?[A-Za-z][^<>\n]{0,200}>")  # HTML, and a model's special tokens
_LINK = re.compile(r"!?\[([^\[\]]{0,500})\]\(([^()\s]{0,2000})\)")
_URL = re.compile(r"\b(?:https?|ftp)://[^\s<>\"'，。、）)\]]+|\bwww\.[^\s<>\"'，。、）)\]]+", re.I)
_LINE_MARK = re.compile(r"^\s*(?:[#>]+|[-*+•·]\s)\s*", re.MULTILINE)
_RULE = re.compile(r"^\s*(?:[-=_*]{3,}|[|:\s-]{3,})\s*$", re.MULTILINE)
_MARKS = str.maketrans(dict.fromkeys("*_`~^\\[]{}<>|#", " "))
_SPELT = str.maketrans({"℃": "°C", "℉": "°F", "…": ".", "\u00a0": " "})
_SYMBOLS_SPOKEN = "°©®™№"
_JOINERS = "\u200c\u200d"  # Persian and Indic words need them


def speakable(text: str) -> str:
    """Returns the words of `text` as they can be spoken; empty if nothing is.

    Control characters are removed: espeak-ng takes some as commands, and the text may be untrusted.
    """
    text = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())
    text = _LINK.sub(r"\1", _TAG.sub(" ", text))
    text = _LINE_MARK.sub("", _RULE.sub("", _URL.sub(_host, text)))
    text = "".join(filter(_is_spoken, text.translate(_SPELT).translate(_MARKS).replace("\n", " ")))
    text = " ".join(text.split())
    return text if any(char.isalnum() for char in text) else ""


def _host(match: re.Match[str]) -> str:
    address = match.group()
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:
        host = ""
    trailing = address[-1] if address[-1] in ".,;:!?" else ""
    return host.removeprefix("www.").rstrip(".") + trailing


def _is_spoken(char: str) -> bool:
    category = unicodedata.category(char)
    if category in ("So", "Sk"):
        return char in _SYMBOLS_SPOKEN
    return (category[0] != "C" and char not in "\ufe0e\ufe0f") or char in _JOINERS
