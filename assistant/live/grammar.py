"""May the user's turn end here?"""

from __future__ import annotations

_HANGING = {"a", "an", "the", "and", "or", "but", "because", "in", "of", "to", "for", "um", "uh"}


def is_complete(text: str, language: str = "") -> bool | None:
    """True: what was said can stand by itself; False: it hangs; None: can't tell."""
    words = text.lower().split()
    if not words or language.partition("-")[0] not in ("", "en"):
        return None
    return words[-1] not in _HANGING
