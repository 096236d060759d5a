"""The parts of an English clause, as far as word classes show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assistant.live.grammar import words as en

Words = Sequence[str]
"""The words of a sentence, in lower case."""


def word_before(words: Words) -> str:
    return words[-2] if len(words) > 1 else ""


def trailing(words: Words, belongs: Callable[[str], bool]) -> int:
    """Returns how many of the last words belong to the class."""
    run = 0
    while run < len(words) and belongs(words[-run - 1]):
        run += 1
    return run


def is_contraction(word: str) -> bool:
    head, mark, tail = word.rpartition("'")
    return mark + tail in en.CONTRACTED and head in en.CONTRACTED_AFTER


def question_word(words: Words) -> int | None:
    """Returns the position of the last question word before the end, or None."""
    found = (n for n in range(len(words) - 2, -1, -1) if words[n].partition("'")[0] in en.WH)
    return next(found, None)


def gap(words: Words) -> int | None:
    """Returns the position of the word that the last verb or preposition may refer to: `what`, or
    `room` in `the room you have`; None if there is none.
    """
    for n in range(len(words) - 2, -1, -1):
        if words[n].partition("'")[0] in en.WH:
            return n
        if words[n + 1] not in ("i", "you", "we", "they", "i'm", "i'd", "you've", "i've"):
            continue
        noun = n > 0 and words[n - 1] in en.QUANTIFIERS and words[n] not in en.QUANTIFIERS
        if noun or words[n] in en.WHOLES or (words[n] == "that" and n > 0):
            return n
    return None


def particle(words: Words) -> bool | None:
    """`log in`, `turn it up`; False for `turn up`, `turn on the lights in`."""
    last, before = words[-1], word_before(words)
    if before in en.INTRANSITIVE.get(last, ()):
        return True
    for distance, word in enumerate(reversed(words[-6:-1])):
        if word in en.PARTICLES:
            break
        if word in en.SEPARABLE.get(last, ()):
            return distance > 0
    return None if last in en.PREPOSITIONS else True


def is_stranded(words: Words) -> bool:
    """Returns whether a question word stands for what the last preposition lacks."""
    at, last, before = gap(words), words[-1], word_before(words)
    is_verb = before in en.STRANDING or before.endswith(("ing", "ed"))
    if is_verb and words[-3:-2] == ["to"] and (at is None or words[at] not in en.WH):
        return len(words) > 4 and words[-4] not in en.WANTING
    if at is None:
        return False
    asked = words[at].partition("'")[0]
    if at == len(words) - 2:
        return (asked, last) in _SHORT_QUESTIONS
    following = words[at + 1]
    if asked in ("when", "why") or (asked == "how" and following not in _HOW_MANY.get(last, _MANY)):
        return False
    if asked == "where" and last not in ("from", "to", "at"):
        return False
    if before in ("it", "you", "this", "that", *en.SUBJECTS):
        asks_be = words[-3] in en.BE or words[-3].endswith("'s")
        return following not in en.TIMES and (asks_be or last == "for")
    if before in en.BE:
        return words[-3] in en.PRONOUNS
    if words[-3] in en.DETERMINERS:
        return False
    inverted = not en.INVERTING.isdisjoint(words[at:-3]) and asked in ("what", "which", "who")
    return is_verb or (inverted and last not in ("to", "of") and before not in _ABOUT_VERBS)


_MANY = ("many", "much")
_HOW_MANY = {"for": ("many", "much", "long", "far")}
_ABOUT_VERBS = ("know", "say", "think", "tell", "do", "me", "us")
_SHORT_QUESTIONS = {
    ("what", "for"), ("where", "to"), ("where", "from"),
    ("who", "with"), ("who", "for"), ("who", "to"), ("who", "from"), ("who", "by"),
}  # fmt: skip


def verb_may_follow(clause: Words, *, is_be: bool) -> bool:
    """Returns whether a clause after a question word has its subject and lacks its verb."""
    asked, *between = clause
    if not between:
        return False
    if not en.HELPERS.isdisjoint(between[:-1]) or (not is_be and between[-1] in en.PRONOUNS):
        return True  # what can you | do
    if between[-1] in en.TRANSITIVE or not is_be:
        return False  # what i need | is
    if between[-1] in en.PRONOUNS or asked in ("where", "who", "when", "why"):
        return True
    return len(between) > 1  # how far the moon | is


def asks_for_verb(words: Words) -> bool:
    """`could you`, `when does the train`; but `how do i do it`, `i will do the dishes`."""
    said = words[-1] in ("it", "you", "this", "there", *en.SUBJECTS)
    determined = len(words) > 2 and words[-2] in en.DETERMINERS
    helper = len(words) - (2 if said else 3)
    if helper < 0 or not (said or determined) or words[0] in ("so", "neither"):
        return False
    before = words[helper - 1] if helper else ""
    is_verb = before in en.PRONOUNS or before in en.HELPERS or before in ("to", "not", "please")
    return words[helper] in (en.HELPERS if said else en.INVERTING) and not is_verb
