"""A phrase is spoken while a tool runs: when, and which."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest

from assistant import Assistant
from assistant.audio.samples import OUTPUT_RATE
from assistant.audio.voice import Voice
from assistant.config import Settings
from assistant.lead_in_phrases import lead_ins as phrasebook
from assistant.live.lead_ins import EARLY_S, PATIENCE_S, LeadIns, language_by_script
from assistant.live.phrase_cache import PhraseCache
from assistant.messages import ToolSchema

LANGUAGES = ["en", "zh", "de", "fr", "es", "ja", "ko", "pt", "it", "ru"]
WEATHER = ToolSchema("weather", "The weather.", {"type": "object"}, (), "Let me look outside.")


@pytest.fixture
def phrases(settings: Settings) -> PhraseCache:
    return PhraseCache(Assistant(settings))


@pytest.fixture
def lead_ins(phrases: PhraseCache) -> LeadIns:
    return LeadIns(phrases)


def told(lead_ins: LeadIns, tool: str, median_s: float, *, spread: float = 0.3) -> None:
    """Observes the duration of the tool a hundred times."""
    chance = Random(7)
    for _ in range(100):
        lead_ins.observed(tool, median_s * math.exp(chance.gauss(0.0, spread)))


class TestWhen:
    def test_for_an_unknown_tool_the_phrase_comes_after_a_fixed_silence(
        self, lead_ins: LeadIns
    ) -> None:
        assert lead_ins.limit_s("weather") == PATIENCE_S
        lead_ins.observed("weather", 5.0)
        assert lead_ins.limit_s("weather") == PATIENCE_S  # one slow call does not change the limit

    def test_for_a_slow_tool_the_phrase_comes_early(self, lead_ins: LeadIns) -> None:
        told(lead_ins, "weather", 3.0)
        assert lead_ins.limit_s("weather") == EARLY_S

    @pytest.mark.parametrize("median_s", [0.001, 0.1, 0.3, 0.5])
    def test_a_fast_tool_rarely_gets_a_phrase(self, lead_ins: LeadIns, median_s: float) -> None:
        told(lead_ins, "clock", median_s)
        limit_s = lead_ins.limit_s("clock")
        assert PATIENCE_S <= limit_s <= 2 * PATIENCE_S
        chance = Random(8)
        calls = [median_s * math.exp(chance.gauss(0.0, 0.3)) for _ in range(1000)]
        assert sum(seconds > limit_s for seconds in calls) < 100

    def test_a_tool_of_varying_speed_is_treated_as_unknown(self, lead_ins: LeadIns) -> None:
        for seconds in itertools.islice(itertools.cycle([0.01, 2.0]), 100):
            lead_ins.observed("cached", seconds)
        assert lead_ins.limit_s("cached") == PATIENCE_S

    def test_a_tool_that_becomes_slow_is_noticed_within_some_calls(self, lead_ins: LeadIns) -> None:
        told(lead_ins, "weather", 0.2)
        told_again = 0
        while lead_ins.limit_s("weather") != EARLY_S:
            lead_ins.observed("weather", 4.0)
            told_again += 1
        assert told_again <= 25
        told(lead_ins, "weather", 0.2)
        assert lead_ins.limit_s("weather") >= PATIENCE_S

    def test_each_tool_has_its_own_limit(self, lead_ins: LeadIns) -> None:
        told(lead_ins, "weather", 3.0)
        told(lead_ins, "clock", 0.1)
        assert lead_ins.limit_s("weather") < lead_ins.limit_s("clock")

    def test_one_outlier_changes_little(self, lead_ins: LeadIns) -> None:
        told(lead_ins, "clock", 0.1)
        before = lead_ins.limit_s("clock")
        lead_ins.observed("clock", 1e9)
        assert lead_ins.limit_s("clock") == before

    @pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
    def test_an_invalid_duration_is_ignored(self, lead_ins: LeadIns, seconds: float) -> None:
        told(lead_ins, "clock", 0.1)
        for _ in range(100):
            lead_ins.observed("clock", seconds)
        assert lead_ins.limit_s("clock") == PATIENCE_S

    def test_the_number_of_remembered_tools_is_bounded(self, lead_ins: LeadIns) -> None:
        for number in range(20_000):
            lead_ins.observed(f"{number}" * 20, 3.0)
            lead_ins.next(None, f"x{number}", "")
        told(lead_ins, "weather", 3.0)
        assert lead_ins.limit_s("weather") == EARLY_S
        assert len(lead_ins._durations) <= 1024
        assert len(lead_ins._said) <= 64


class TestWhat:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_the_same_phrase_never_comes_twice_in_a_row(
        self, lead_ins: LeadIns, language: str
    ) -> None:
        said = [""]
        for _ in range(200):
            said.append(lead_ins.next(None, language, said[-1]))
        assert all(a != b for a, b in itertools.pairwise(said))
        assert set(said[1:]) == set(phrasebook(language))

    def test_languages_have_phrases_of_their_own(self) -> None:
        every = [text for language in LANGUAGES for text in phrasebook(language)]
        assert all(len(phrasebook(language)) >= 3 for language in LANGUAGES)
        assert len({phrasebook(language) for language in LANGUAGES}) == len(LANGUAGES)
        assert len(every) - len(set(every)) <= 1  # Spanish and Italian share one

    def test_regions_and_unknown_languages_have_phrases_too(self, lead_ins: LeadIns) -> None:
        assert lead_ins.next(None, "de-AT", "") in phrasebook("de")
        assert lead_ins.next(None, "tlh", "") in phrasebook("en")
        assert lead_ins.next(None, "", "") in phrasebook("en")

    def test_the_tool_has_a_phrase_of_its_own(self, lead_ins: LeadIns) -> None:
        assert lead_ins.next(WEATHER, "en-US", "") == WEATHER.lead_in
        assert lead_ins.next(WEATHER, "", "") == WEATHER.lead_in
        assert lead_ins.next(WEATHER, "en", WEATHER.lead_in) in phrasebook("en")
        assert lead_ins.next(WEATHER, "de", "") in phrasebook("de")

    def test_phrases_have_no_fixed_order_in_a_conversation(self, lead_ins: LeadIns) -> None:
        said = [""]
        for _ in range(60):
            said.append(lead_ins.next(None, "en", said[-1]))
        followers = {a: {y for x, y in itertools.pairwise(said) if x == a} for a in said[1:]}
        assert all(len(after) >= 2 for after in followers.values())

    def test_no_conversation_gets_a_phrase_twice_in_a_row(self, lead_ins: LeadIns) -> None:
        last = dict.fromkeys(range(5), "")
        for number in itertools.islice(itertools.cycle(last), 500):
            text = lead_ins.next(None, "ko", last[number])
            assert text != last[number]
            last[number] = text

    def test_the_same_seed_gives_the_same_phrases(self, phrases: PhraseCache) -> None:
        def said(seed: int) -> list[str]:
            lead_ins, texts = LeadIns(phrases, seed), [""]
            for _ in range(30):
                texts.append(lead_ins.next(None, "en", texts[-1]))
            return texts

        assert said(1) == said(1)
        assert said(1) != said(2)

    def test_all_possible_phrases_can_be_prepared(self, lead_ins: LeadIns) -> None:
        texts = lead_ins.texts([WEATHER], "en")
        assert texts == [WEATHER.lead_in, *phrasebook("en")]
        assert lead_ins.texts([WEATHER], "fr") == list(phrasebook("fr"))


@pytest.mark.anyio
@pytest.mark.parametrize("language", LANGUAGES)
async def test_each_phrase_lasts_about_a_second(settings: Settings, language: str) -> None:
    async with Assistant(settings) as assistant:
        lead_ins = LeadIns(PhraseCache(assistant))
        for text in lead_ins.texts([], language):
            samples = await lead_ins.phrases.audio(text, Voice(), language)
            assert 0.3 < len(samples) / OUTPUT_RATE < 2.0


@pytest.mark.parametrize(
    ("text", "language"),
    [("深圳", "zh"), ("東京のてんき", "ja"), ("서울", "ko"), ("Москва", "ru"), ("Paris", "")],
)
def test_the_script_identifies_some_languages(text: str, language: str) -> None:
    assert language_by_script(text) == language
