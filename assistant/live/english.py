"""Whether an English utterance may end where it stands, by the classes of its last words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from assistant.live import english_words as en

_WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z]+)*")
_MAX_WORDS = 24
"""What was said before has no say in how it ends."""

Words = Sequence[str]


def is_complete_english(text: str) -> bool | None:
    """True: it may end here; False: it hangs; None: no words in it."""
    words = _WORD.findall(text.lower().replace("’", "'"))[-_MAX_WORDS:]
    if not words:
        return None
    if words[-1] in ("thanks", *en.BACKCHANNELS) or words[-2:] == ["thank", "you"]:
        return True
    if len(words) > 1 and words[-1] == "please":
        return not _asks_for_verb(words[:-1]) and words[-2] not in en.CONJUNCTIONS
    if len(words) == 1 and words[0] in en.MARKERS:
        return False
    verdicts = (rule(words) for rule in _RULES)
    return next((verdict for verdict in verdicts if verdict is not None), True)


# Each rule knows a class of last words: True or False for those, None for the others.


def _hanging(words: Words) -> bool | None:
    """Articles, conjunctions, filled pauses: never last."""
    last, before = words[-1], _before(words)
    if last in en.FILLED_PAUSES or last in en.DETERMINERS or last in en.CONJUNCTIONS:
        return False
    if last == "so":
        return before in en.OPINIONS
    if last == "then" and before in ("and", "but", "so", "only"):
        return False
    if last in en.INCOMPLETE:
        return _gap(words) is not None
    if last in en.ADVERBS and before in en.SUBJECTS:
        return False
    if last in ("before", "after"):
        return before in ("day", "night", "week") or not _PERFECT.isdisjoint(words)
    return None


_PERFECT = {"ever", "never", "have", "has", "had", "i've", "you've", "haven't", "hasn't"}


def _degree(words: Words) -> bool | None:
    """`a very`, `it's too`, `how many`; but `me too`, `not really`."""
    last, before = words[-1], _before(words)
    if before == "how" and last in ("many", "much", "long", "far", "often", "old", "big", "tall"):
        return len(words) > 2 and words[-3] == "for"
    if last in ("too", "really", "only", "most"):
        return not (before in en.BE or before in en.DETERMINERS or _is_contraction(before))
    if last == "very" or last in en.DEGREES:
        return False
    return None


def _question_word(words: Words) -> bool | None:
    """`why`, `tell me how`, `since when`."""
    last, before = words[-1], _before(words)
    if last not in en.WH:
        return None
    if last == "why" or not before:
        return last != "how"
    return before in en.TELLING or before in ("since", "until", "by", "or", "for", "says", "no")


def _dictation(words: Words) -> bool | None:
    """Digits and letters, one by one; numbers without what they count."""
    if words[-1] in en.OPERATORS and _is_number(_before(words)):
        return words[-1] == "times" and _wh(words) is None
    if len(words) > 1 and all(len(word) == 1 and word.isalpha() for word in words[-2:]):
        return words[-1] == "m" and words[-2] in "ap"
    if not _is_number(words[-1]):
        return None
    run = _trailing(words, _is_number)
    count = sum(len(word) if word.isdigit() else 1 for word in words[-run:])
    wanted = [en.DICTATED[word] for word in words if word in en.DICTATED]
    if wanted and ("is" in words or "it's" in words):
        return count >= min(wanted)
    if _trailing(words, en.DIGITS.__contains__) > 1:
        return count >= min(en.DICTATED["phone"], *wanted)
    first = words[-run - 1] if run < len(words) else ""
    if first in en.DETERMINERS:
        return False
    timed = first in ("for", "in", "another") and not en.DURATIONS.isdisjoint(words)
    return not (timed or (run == len(words) - 1 and first in en.TRANSITIVE))


def _preposition(words: Words) -> bool | None:
    """`what's the weather in`; but `where are you from`, `turn the lights on`."""
    last, before = words[-1], _before(words)
    if last == "like":
        wants = "would" in words or "i'd" in words
        return (before == "you" and "if" in words) or (_wh(words) is not None and not wants)
    if last == "to" and before in ("want", "have", "need"):
        return any(word == "if" or word.endswith("n't") for word in words[-5:-2])
    if last in en.PARTICLES and (verdict := _particle(words)) is not None:
        return verdict
    if last in en.PREPOSITIONS:
        return _is_stranded(words)
    return None


def _particle(words: Words) -> bool | None:
    """`log in`, `turn it up`; False for `turn up`, `turn on the lights in`."""
    last, before = words[-1], _before(words)
    if before in en.INTRANSITIVE.get(last, ()):
        return True
    for distance, word in enumerate(reversed(words[-6:-1])):
        if word in en.PARTICLES:
            break
        if word in en.SEPARABLE.get(last, ()):
            return distance > 0
    return None if last in en.PREPOSITIONS else True


def _is_stranded(words: Words) -> bool:
    """Whether a question word stands for what the last preposition lacks."""
    at, last, before = _gap(words), words[-1], _before(words)
    is_verb = before in en.STRANDING or before.endswith(("ing", "ed"))
    if is_verb and words[-3:-2] == ["to"] and (at is None or words[at] not in en.WH):
        return len(words) > 4 and words[-4] not in en.WANTING
    if at is None:
        return False
    asked = words[at].partition("'")[0]
    if at == len(words) - 2:
        return (asked, last) in _SHORT_QUESTIONS
    following = words[at + 1]
    if asked in ("when", "why") or (asked == "how" and following not in _HOW_FAR):
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


_HOW_FAR = ("many", "much", "long", "far")
_ABOUT_VERBS = ("know", "say", "think", "tell", "do", "me", "us")


_SHORT_QUESTIONS = {
    ("what", "for"), ("where", "to"), ("where", "from"),
    ("who", "with"), ("who", "for"), ("who", "to"), ("who", "from"), ("who", "by"),
}  # fmt: skip


def _helper(words: Words) -> bool | None:
    """`the weather is`, `can`; but `what time it is`, `what can you do`, `yes i do`."""
    last, before = words[-1], _before(words)
    if _is_contraction(last):
        return False
    negated = last.endswith("n't")
    if not (negated or last in en.BE or last in en.HELPERS):
        return None
    if words[0] in en.ANSWERS and len(words) > 1 and words[0] != last:
        return True
    if negated:
        return before in en.PRONOUNS and len(words) > 3 and words[-3] != "because"
    if not before:
        return False
    if before == "you" and ("if" in words or "as" in words[:-2]):
        return True
    if last == "do" and (before in ("to", "not") or before.endswith("n't")):
        return True
    at = _gap(words)
    return at is not None and _verb_may_follow(words[at:-1], is_be=last in en.BE)


def _verb_may_follow(clause: Words, *, is_be: bool) -> bool:
    """Whether a clause that begins with a question word has its subject, and lacks its verb."""
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


def _subject(words: Words) -> bool | None:
    """`can you`, `is there`, `what does the word`; but `where is she`, `how are you`."""
    if _asks_for_verb(words):
        return False
    last, before = words[-1], _before(words)
    if last in ("it", "you", "this", "that", "there") and _opens(before):
        return False
    if last == "that":
        return not (before in en.OPINIONS or before in ("sure", "wish") or before.endswith("ms"))
    if last in en.SUBJECTS:
        asks = before in en.BE or _is_contraction(before)
        return before in ("than", "do", "am") or (asks and _wh(words) is not None)
    if last in en.PRONOUNS and before in en.BE:
        starts = len(words) == 2 or words[-3] in en.CONJUNCTIONS or words[-3] == "so"
        return not (starts or (words[-3] in ("why", "what") and last in ("you", "there")))
    if len(words) == 3 and words[0] in en.BE and words[1] in en.DETERMINERS | en.DEMONSTRATIVES:
        return False
    if len(words) == 2 and words[0] in ("what", "which") and last in en.KINDS:
        return False
    return None


def _asks_for_verb(words: Words) -> bool:
    """`could you`, `when does the train`; but `how do i do it`, `i will do the dishes`."""
    said = words[-1] in ("it", "you", "this", "there", *en.SUBJECTS)
    determined = len(words) > 2 and words[-2] in en.DETERMINERS | en.DEMONSTRATIVES
    helper = len(words) - (2 if said else 3)
    if helper < 0 or not (said or determined) or words[0] in ("so", "neither"):
        return False
    before = words[helper - 1] if helper else ""
    is_verb = before in en.PRONOUNS | en.HELPERS or before in ("to", "not", "please")
    return words[helper] in (en.HELPERS if said else en.INVERTING) and not is_verb


def _verb(words: Words) -> bool | None:
    """`play`, `can you tell me`, `i want`; but `what do you want`, `my order`."""
    last, before = words[-1], _before(words)
    if last in ("me", "us") and before in en.DATIVE_VERBS:
        return len(words) > 2 and words[-3].endswith("n't")
    if last not in en.TRANSITIVE:
        return None
    if last == "know" and before in ("don't", "me", "i", "already"):
        return True
    if last == "mean" and "what" in words:
        return True
    at = _gap(words)
    if (at is not None and not en.PRONOUNS.isdisjoint(words[at:-1])) or "as" in words[:-2]:
        return True
    if before == "to":
        return len(words) > 3 and words[-3] not in en.WANTING
    if before.endswith("n't") or before in ("was", "i'm", "i've"):
        return False
    return bool(before) and before not in en.NEEDS_SUBJECT


def _adjective(words: Words) -> bool | None:
    """`in a deep`, `the next`: the noun is still to come."""
    if words[-1] in ("next", "last") and _before(words) in en.PREPOSITIONS:
        return False
    run = _trailing(words, lambda word: word in en.ADJECTIVES or word in en.DEGREES)
    if not run or run == len(words):
        return None
    return False if words[-run - 1] in en.DETERMINERS else None


def _subordinate(words: Words) -> bool | None:
    """`if it rains tomorrow`, `when i get home`: the request itself is still to come."""
    start = next((n for n, word in enumerate(words) if not _is_opening(word)), 0)
    clause = words[start:]
    if clause[0] not in en.SUBORDINATE or len(clause) > 8:
        return None
    if clause[0] != "if" and (len(clause) < 2 or clause[1] not in en.PRONOUNS):
        return None
    main = any(
        word == "then" or word.endswith("'ll") or word in en.TRANSITIVE or word in en.HELPERS
        for word in clause[3:]
    )
    return None if main else False


_RULES: tuple[Callable[[Words], bool | None], ...] = (
    _hanging, _degree, _question_word, _dictation, _preposition, _helper, _subject, _verb,
    _adjective, _subordinate,
)  # fmt: skip


def _before(words: Words) -> str:
    return words[-2] if len(words) > 1 else ""


def _wh(words: Words) -> int | None:
    """Where the last question word before the end stands."""
    found = (n for n in range(len(words) - 2, -1, -1) if words[n].partition("'")[0] in en.WH)
    return next(found, None)


def _gap(words: Words) -> int | None:
    """Where the word stands that the last verb or preposition may be about: `what`, or `room` of
    `the room you have`; None: nowhere.
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


def _opens(word: str) -> bool:
    return (
        word in en.CONJUNCTIONS or word in en.MARKERS or word in ("yes", "no", "okay", "ok", "if")
    )


def _is_contraction(word: str) -> bool:
    head, mark, tail = word.rpartition("'")
    return mark + tail in en.CONTRACTED and head in en.CONTRACTED_AFTER


def _is_number(word: str) -> bool:
    return word.isdigit() or word in en.NUMBERS


def _trailing(words: Words, belongs: Callable[[str], bool]) -> int:
    """How many of the last words belong."""
    run = 0
    while run < len(words) and belongs(words[-run - 1]):
        run += 1
    return run


def _is_opening(word: str) -> bool:
    return word in en.CONJUNCTIONS - {"if", "unless", "although"} or word in en.MARKERS
