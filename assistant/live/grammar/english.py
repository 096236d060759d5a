"""Judges by the classes of its last words whether an English sentence may be complete."""

from __future__ import annotations

import re
from collections.abc import Callable

from assistant.live.grammar import words as en
from assistant.live.grammar.clauses import (
    Words,
    asks_for_verb,
    gap,
    is_contraction,
    is_stranded,
    particle,
    question_word,
    trailing,
    verb_may_follow,
    word_before,
)

_WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z]+)*")
_MAX_WORDS = 24
"""The number of last words that are looked at; earlier ones don't decide how a sentence ends."""


def is_complete_english(text: str) -> bool | None:
    """True: it may end here; False: it hangs; None: no words in it."""
    words = _WORD.findall(text.lower().replace("’", "'"))[-_MAX_WORDS:]
    if not words:
        return None
    if words[-1] in ("thanks", *en.BACKCHANNELS) or words[-2:] == ["thank", "you"]:
        return True
    if len(words) > 1 and words[-1] == "please":
        return not asks_for_verb(words[:-1]) and words[-2] not in en.CONJUNCTIONS
    if len(words) == 1 and words[0] in en.MARKERS:
        return False
    verdicts = (rule(words) for rule in _RULES)
    return next((verdict for verdict in verdicts if verdict is not None), True)


# Each rule knows a class of last words: True or False for those, None for the others.


def _hanging(words: Words) -> bool | None:
    """Articles, conjunctions, filled pauses: never last."""
    last, before = words[-1], word_before(words)
    if last in en.FILLED_PAUSES or last in en.DETERMINERS or last in en.CONJUNCTIONS:
        return False
    if last == "so":
        return before in en.OPINIONS or before == "do"
    if last == "then" and before in ("and", "but", "so", "only"):
        return False
    if last in en.INCOMPLETE:
        return gap(words) is not None
    if last in en.ADVERBS and before in en.SUBJECTS:
        return False
    if last in ("before", "after"):
        return before in ("day", "night", "week") or any(map(_is_perfect, words))
    return None


def _is_perfect(word: str) -> bool:
    """`i've never been there before`."""
    return word in ("ever", "never", "as", "have", "has", "had") or word.endswith(("'ve", "n't"))


def _degree(words: Words) -> bool | None:
    """`a very`, `it's too`, `how many`; but `me too`, `not really`."""
    last, before = words[-1], word_before(words)
    if before == "how" and last in ("many", "much", "long", "far", "often", "old", "big", "tall"):
        return len(words) > 2 and words[-3] == "for"
    if last in ("too", "really", "only", "most"):
        return not (before in en.BE or before in en.DETERMINERS or is_contraction(before))
    if last == "very" or last in en.DEGREES:
        return False
    return None


def _question_word(words: Words) -> bool | None:
    """`why`, `tell me how`, `since when`."""
    last, before = words[-1], word_before(words)
    if last not in en.WH:
        return None
    if last == "why" or not before:
        return last != "how"
    return before in en.TELLING or before in ("since", "until", "by", "or", "for", "says", "no")


def _dictation(words: Words) -> bool | None:
    """Digits and letters, one by one; numbers without what they count."""
    if words[-1] in en.OPERATORS and _is_number(word_before(words)):
        return words[-1] == "times" and question_word(words) is None
    if len(words) > 1 and all(len(word) == 1 and word.isalpha() for word in words[-2:]):
        return words[-1] == "m" and words[-2] in "ap"
    if not _is_number(words[-1]):
        return None
    run = trailing(words, _is_number)
    count = sum(len(word) if word.isdigit() else 1 for word in words[-run:])
    wanted = [en.DICTATED[word] for word in words if word in en.DICTATED]
    if wanted and ("is" in words or "it's" in words):
        return count >= min(wanted)
    if trailing(words, en.DIGITS.__contains__) > 1:
        return count >= min([en.DICTATED["phone"], *wanted])
    first = words[-run - 1] if run < len(words) else ""
    if first in en.DETERMINERS:
        return words[-1] == "one"
    timed = first in ("for", "in", "another") and not en.DURATIONS.isdisjoint(words)
    return not (timed or (run == len(words) - 1 and first in en.TRANSITIVE))


def _preposition(words: Words) -> bool | None:
    """`what's the weather in`; but `where are you from`, `turn the lights on`."""
    last, before = words[-1], word_before(words)
    if last == "like":
        wants = "would" in words or "i'd" in words
        return (before == "you" and "if" in words) or (
            question_word(words) is not None and not wants
        )
    if last == "to" and before in ("want", "have", "need"):
        return any(word == "if" or word.endswith("n't") for word in words[-5:-2])
    if last in en.PARTICLES and (verdict := particle(words)) is not None:
        return verdict
    if last in en.PREPOSITIONS:
        return is_stranded(words)
    return None


def _helper(words: Words) -> bool | None:
    """`the weather is`, `can`; but `what time it is`, `what can you do`, `yes i do`."""
    last, before = words[-1], word_before(words)
    if is_contraction(last):
        return False
    if last in ("may", "am") and (before in en.PREPOSITIONS or before[:1].isdigit()):
        return True  # the month, and the morning
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
    at = gap(words)
    return at is not None and verb_may_follow(words[at:-1], is_be=last in en.BE)


def _subject(words: Words) -> bool | None:
    """`can you`, `is there`, `what does the word`; but `where is she`, `how are you`."""
    if asks_for_verb(words):
        return False
    last, before = words[-1], word_before(words)
    if last in ("it", "you", "this", "that", "there") and before in en.OPENINGS:
        return False
    if last == "that":
        return not (before in en.OPINIONS or before in ("sure", "wish"))
    if last in en.SUBJECTS:
        asks = before in en.BE or is_contraction(before)
        return before in ("than", "do", "am") or (asks and question_word(words) is not None)
    if last in en.PRONOUNS and before in en.BE:
        starts = len(words) == 2 or words[-3] in en.CONJUNCTIONS or words[-3] == "so"
        return not (starts or (words[-3] in ("why", "what") and last in ("you", "there")))
    if len(words) == 3 and words[0] in en.BE and words[1] in en.QUANTIFIERS:
        return False
    if len(words) == 2 and words[0] in ("what", "which") and last in en.KINDS:
        return False
    return None


def _verb(words: Words) -> bool | None:
    """`play`, `can you tell me`, `i want`; but `what do you want`, `my order`."""
    last, before = words[-1], word_before(words)
    if last in ("me", "us") and before in en.DATIVE_VERBS:
        return len(words) > 2 and words[-3].endswith("n't")
    if last not in en.TRANSITIVE:
        return None
    if last == "know" and before in ("me", "i", "already"):
        return True
    if last in ("know", "show", "tell") and before.endswith("n't"):
        return True
    if last == "mean" and "what" in words:
        return True
    at = gap(words)
    if (at is not None and not en.PRONOUNS.isdisjoint(words[at:-1])) or "as" in words[:-2]:
        return True
    if before == "to":
        return len(words) > 3 and words[-3] not in en.WANTING
    if before.endswith("n't") or before in ("was", "i'm", "i've"):
        return False
    return bool(before) and before not in en.NEEDS_SUBJECT


def _adjective(words: Words) -> bool | None:
    """`in a deep`, `the next`: the noun is still to come."""
    if words[-1] in ("next", "last") and word_before(words) in en.PREPOSITIONS:
        return False
    run = trailing(words, lambda word: word in en.ADJECTIVES or word in en.DEGREES)
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


def _is_number(word: str) -> bool:
    return word.isdigit() or word in en.NUMBERS


def _is_opening(word: str) -> bool:
    return word in en.CONJUNCTIONS - {"if", "unless", "although"} or word in en.MARKERS
