"""Intent matching: scores how well an utterance fits a tool.

The score is Dice's coefficient of two weighted sequences, the utterance and one of the tool's
examples aligned in order, damped if it rests on little evidence. A tool without examples is matched
by the words of its name and description.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.engines.embedded.effort import Effort
from assistant.engines.embedded.parameters import kind_of, spelled, stems
from assistant.engines.embedded.profiles import GLUE, ONCE, QUESTION, Anchor, Profile
from assistant.engines.embedded.value_extractors import numbers
from assistant.engines.embedded.words import COURTESY, QUESTION_WORDS, Token, is_cjk, similar

_FILLS = 0.1  # weight of a word that an argument can take in
_MOST_FILLED = 1.5  # weight of all such words together
_STRANGE = 0.6  # weight of a word that has no place in the tool
_DOUBT = 0.5  # evidence (sum of matched weights) that halves the score

Pairs = tuple[tuple[int, int], ...]
"""Positions (in the utterance, in the example) of the matching words, in order."""


@dataclass(frozen=True, slots=True)
class Match:
    """A tool that an utterance may mean."""

    profile: Profile
    score: float  # 0 to 1
    example: tuple[Anchor, ...] = ()  # the nearest one; empty if no example was used
    pairs: Pairs = ()


class Matcher:
    """Scores the parts of one utterance against one tool.

    Words are compared with the tool's examples once, however many parts are scored. Once the effort
    is exhausted, no further example is aligned.
    """

    def __init__(self, words: Sequence[Token], profile: Profile, effort: Effort) -> None:
        self.profile = profile
        self._words = words
        self._effort = effort
        effort.spend(len(words) * sum(map(len, profile.examples)))
        self._examples = [_Compared(words, example) for example in profile.examples]

    def best(self, first: int = 0, end: int | None = None) -> Match:
        """Returns the example nearest to the words [first, end), or the tool's bag of words.

        The pairs of the match count from `first`.
        """
        words = self._words[first:end]
        weights = _weights(words, self.profile)
        best = self._nearest(weights, first, first + len(words))
        self._effort.spend(len(words))
        # The example that is nearest still says where the arguments stand.
        bag = _bag_score(words, self.profile, sum(weights))
        return replace(best, score=bag) if bag > best.score else best

    def _nearest(self, weights: Sequence[float], first: int, end: int) -> Match:
        """Returns the first of the examples with the highest score."""
        total, best, place = sum(weights), Match(self.profile, 0.0), 0
        bounds = [one.bound(total, first, end) for one in self._examples]
        self._effort.spend(sum(len(one.example) for one in self._examples))
        for index in sorted(range(len(bounds)), key=lambda i: -bounds[i]):
            # Those that follow can't score higher than their bounds, which are lower still.
            if bounds[index] < best.score or not bounds[index] or self._effort.exhausted:
                break
            compared = self._examples[index]
            self._effort.spend((end - first) * len(compared.example))
            matched, pairs = compared.align(first, end)
            score = _damped(matched, *_totals(weights, compared.example, pairs))
            if score > best.score or (score == best.score > 0.0 and index < place):
                best, place = Match(self.profile, score, compared.example, pairs), index
        return best


class _Compared:
    """An example, and what each word of the utterance gains in the place of each of its words."""

    def __init__(self, words: Sequence[Token], example: Sequence[Anchor]) -> None:
        self.example = tuple(example)
        self._gains = [[_gain(token, anchor) for anchor in example] for token in words]
        self._places = [
            [i for i, row in enumerate(self._gains) if row[j] > 0.0] for j in range(len(example))
        ]
        self._wanted = sum(
            anchor.weight * (0.5 if anchor.weight == ONCE else 1.0) for anchor in example
        )

    def bound(self, total: float, first: int, end: int) -> float:
        """Returns a score that the words [first, end), of `total` weight, do not exceed."""
        matched = sum(
            anchor.weight
            for anchor, places in zip(self.example, self._places, strict=True)
            if (at := bisect_left(places, first)) < len(places) and places[at] < end
        )
        return _damped(matched, total, self._wanted) * (1.0 + 1e-9) if matched else 0.0

    def align(self, first: int, end: int) -> tuple[float, Pairs]:
        """Returns the heaviest common subsequence of the words and the example, and its weight."""
        gains = self._gains[first:end]
        rows, columns = len(gains), len(self.example)
        best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
        for i in range(rows - 1, -1, -1):
            row, below, gain = best[i], best[i + 1], gains[i]
            for j in range(columns - 1, -1, -1):
                row[j] = max(below[j + 1] + gain[j], below[j], row[j + 1])
        pairs, i, j = [], 0, 0
        while i < rows and j < columns:
            if gains[i][j] > 0.0 and best[i][j] == best[i + 1][j + 1] + gains[i][j]:
                pairs.append((i, j))
                i, j = i + 1, j + 1
            elif best[i][j] == best[i + 1][j]:
                i += 1
            else:
                j += 1
        return best[0][0], tuple(pairs)


def _totals(
    weights: Sequence[float], example: Sequence[Anchor], pairs: Pairs
) -> tuple[float, float]:
    """Returns the weights of all words of the utterance and of the example.

    A word of the example that the utterance lacks counts half, unless it is one of the tool's own:
    another argument may stand in its place.
    """
    in_utterance, in_example = dict(pairs), {j for _, j in pairs}
    utterance = sum(
        max(weight, example[in_utterance[i]].weight) if i in in_utterance else weight
        for i, weight in enumerate(weights)
    )
    wanted = sum(
        anchor.weight * (0.5 if j not in in_example and anchor.weight == ONCE else 1.0)
        for j, anchor in enumerate(example)
    )
    return utterance, wanted


def _damped(matched: float, utterance: float, example: float) -> float:
    if matched <= 0.0:
        return 0.0
    dice = min(2 * matched / (utterance + example), 1.0)
    return dice * matched / (matched + _DOUBT)


def _weights(words: Sequence[Token], profile: Profile) -> list[float]:
    """Returns the weight of each word of the utterance."""
    strange = _FILLS if profile.open else _STRANGE
    weights = [_word_weight(token, profile, strange) for token in words]
    if {kind_of(parameter.schema) for parameter in profile.parameters} & {"integer", "number"}:
        for number in numbers(words):
            weights[number.first : number.end] = [0.0] * (number.end - number.first)
    return _capped(weights) if profile.open else weights


def _capped(weights: list[float]) -> list[float]:
    """A long text to send or to translate speaks no more against the tool than a short one."""
    light = sum(weight for weight in weights if weight <= GLUE)
    scale = min(_MOST_FILLED / light, 1.0) if light else 1.0
    return [weight * scale if weight <= GLUE else weight for weight in weights]


def _word_weight(token: Token, profile: Profile, strange: float) -> float:
    if token.word in COURTESY:
        return 0.0
    if token.word in QUESTION_WORDS:
        return QUESTION
    if not token.content:
        return GLUE
    if is_cjk(token.word):
        return _FILLS
    return profile.vocabulary.get(token.norm, strange)


def _bag_score(words: Sequence[Token], profile: Profile, total: float) -> float:
    """Only the tool's own words count, each once; its name stands for the example."""
    said = {token.norm for token in words if token.content}
    matched = sum(_known(norm, profile.vocabulary) for norm in said)
    wanted = max(profile.name_weight, 1.0)
    if profile.open and _opens_with_name(words, profile):
        wanted = (wanted + 1.0) / 2  # "play yesterday by the beatles" says "play", not "music"
    return _damped(matched, total, wanted) if matched >= 1.0 else 0.0


def _opens_with_name(words: Sequence[Token], profile: Profile) -> bool:
    opening = next((token.norm for token in words if token.word not in COURTESY), "")
    return opening == next(iter(stems(spelled(profile.tool.name))), None)


def _known(norm: str, vocabulary: dict[str, float]) -> float:
    """Returns the weight of one of the tool's own words, less if the word only resembles one."""
    exact = vocabulary.get(norm)
    if exact is not None:
        return exact
    return max((weight * similar(norm, word) for word, weight in vocabulary.items()), default=0.0)


def _gain(token: Token, anchor: Anchor) -> float:
    return anchor.weight and anchor.weight * similar(token.norm, anchor.token.norm)
