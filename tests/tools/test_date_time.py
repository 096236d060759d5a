from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Desk = Any  # conftest's, which a test file can't import
WINTER = datetime(2025, 1, 15, 14, 5, tzinfo=timezone.utc)
SUMMER = datetime(2025, 7, 1, 22, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def desk(desk_for: Any) -> Desk:
    desk = desk_for("date_time")
    desk.module.utc_now = lambda: WINTER
    return desk


@pytest.fixture
def summer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.module, "utc_now", lambda: SUMMER)


def test_a_sentence_gives_time_date_and_weekday(desk: Desk) -> None:
    outcome = desk(location_or_timezone="tokyo")
    assert outcome.outcome == "ok"
    assert outcome.text == "It is 11:05 PM on Wednesday, the 15th of January 2025, in Tokyo, Japan."
    assert outcome.data == {
        "place": "Tokyo, Japan",
        "city": "Tokyo",
        "time_zone": "Asia/Tokyo",
        "time": "2025-01-15T23:05:00+09:00",
        "weekday": "Wednesday",
        "daylight_saving": False,
    }


@pytest.mark.parametrize(
    ("asked", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe berlin", "Europe/Berlin"),
        ("america/new_york", "America/New_York"),
        ("UTC", "UTC"),
        ("est", "EST"),
        ("in Tokyo right now?", "Asia/Tokyo"),
        ("ZÜRICH", "Europe/Zurich"),
        ("zurich", "Europe/Zurich"),
        ("Bombay", "Asia/Kolkata"),
        ("st petersburg", "Europe/Moscow"),
        ("北京", "Asia/Shanghai"),
        ("东京", "Asia/Tokyo"),
        ("Москва", "Europe/Moscow"),
        ("서울", "Asia/Seoul"),
        ("القاهرة", "Africa/Cairo"),
        ("new york, usa", "America/New_York"),
        ("paris", "Europe/Paris"),
        ("paris texas", "America/Chicago"),
        ("Paris, TX", "America/Chicago"),
        ("portland, oregon, usa", "America/Los_Angeles"),
        ("sydney, new south wales, australia", "Australia/Sydney"),
        ("birmingham alabama", "America/Chicago"),
        ("the netherlands", "Europe/Amsterdam"),
        ("uk", "Europe/London"),
        ("japan", "Asia/Tokyo"),
        ("JPN", "Asia/Tokyo"),
        ("brazil", "America/Sao_Paulo"),
        ("texas", "America/Chicago"),
        ("hawaii", "Pacific/Honolulu"),
        ("washington", "America/New_York"),
        ("singapore", "Asia/Singapore"),
    ],
)
def test_a_place_is_found_by_its_common_names(desk: Desk, asked: str, zone: str) -> None:
    outcome = desk(location_or_timezone=asked)
    assert outcome.outcome == "ok", outcome.text
    assert outcome.data["time_zone"] == zone


def test_the_most_populous_city_is_chosen_and_named_with_its_country(desk: Desk) -> None:
    assert desk(location_or_timezone="london").text.endswith("in London, United Kingdom.")
    assert desk(location_or_timezone="london canada").text.endswith("in London, Canada.")


def test_a_country_of_several_zones_uses_its_capital_and_says_so(desk: Desk) -> None:
    text = desk(location_or_timezone="australia").text
    assert "in Canberra, Australia." in text
    assert "more than one time zone" in text
    assert "more than one" not in desk(location_or_timezone="japan").text


def test_the_zone_of_the_machine_is_used_without_a_place(desk: Desk) -> None:
    outcome = desk()
    local = WINTER.astimezone()
    assert outcome.data["time"] == local.isoformat(timespec="seconds")
    assert f"The time zone is {local.tzname()}." in outcome.text


def test_the_settings_can_name_the_default_place(desk_for: Any) -> None:
    desk = desk_for("date_time", home="Lisbon")
    assert desk().data["time_zone"] == "Europe/Lisbon"


@pytest.mark.parametrize(
    ("first", "second", "minutes", "words"),
    [
        ("berlin", "tokyo", 480, "Tokyo, Japan is 8 hours ahead of Berlin, Germany."),
        ("tokyo", "berlin", -480, "Berlin, Germany is 8 hours behind Tokyo, Japan."),
        ("london", "kathmandu", 345, "is 5 hours and 45 minutes ahead of"),
        ("utc", "paris", 60, "Paris, France is 1 hour ahead of UTC."),
        ("paris", "berlin", 0, "Paris, France and Berlin, Germany have the same time."),
        ("honolulu", "Pacific/Kiritimati", 1440, "is 24 hours ahead of"),
    ],
)
def test_the_difference_between_two_places_is_given_in_hours(
    desk: Desk, first: str, second: str, minutes: int, words: str
) -> None:
    outcome = desk(location_or_timezone=first, compared_to=second)
    assert outcome.data["difference_minutes"] == minutes
    assert words in outcome.text


@pytest.mark.usefixtures("summer")
def test_daylight_saving_time_is_applied(desk: Desk) -> None:
    outcome = desk(location_or_timezone="berlin", compared_to="tokyo")
    assert outcome.data["difference_minutes"] == 420
    assert outcome.data["daylight_saving"] is True
    assert "12 AM on Wednesday, the 2nd of July 2025, in Berlin" in outcome.text


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("berln", "Did you mean Berlin, Germany?"),
        ("xyzzy", "I know no city, country or time zone called xyzzy."),
        ("antarctica", "I know no city"),
        ("../../etc/passwd", "I know no city"),
        ("x" * 101, "too long"),
        ("\x00\x1f\ufffd", "I know no city"),
        ("tokyo\x1f0\x1f", "I know no city"),
    ],
)
def test_an_unknown_place_is_an_error_in_plain_words(desk: Desk, asked: str, words: str) -> None:
    outcome = desk(location_or_timezone=asked)
    assert outcome.outcome == "error"
    assert words in outcome.text


@settings(max_examples=60, deadline=None)
@given(first=st.text(max_size=120), second=st.text(max_size=20))
def test_any_words_end_in_an_answer_or_a_plain_error(desk: Desk, first: str, second: str) -> None:
    outcome = desk(location_or_timezone=first, compared_to=second)
    assert outcome.outcome in ("ok", "error")
    assert "unexpected" not in outcome.text


def test_every_iana_zone_is_found_by_its_own_name(desk: Desk) -> None:
    zones = [zone for zone in sorted(desk.module._zones().values()) if "/" in zone]
    outcomes = desk.together([{"location_or_timezone": zone} for zone in zones])
    assert [o.data["time_zone"] for o in outcomes] == zones


def test_the_offset_of_every_city_is_a_valid_one(desk: Desk) -> None:
    cities = desk.module._gazetteer().cities
    for zone in {city.zone for city in cities}:
        offset = WINTER.astimezone(desk.module.zoneinfo.ZoneInfo(zone)).utcoffset()
        assert offset is not None
        assert timedelta(hours=-12) <= offset <= timedelta(hours=14)
