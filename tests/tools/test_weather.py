from __future__ import annotations

import json
import threading
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Desk = Any  # conftest's, which a test file can't import
Loopback = Any


def Answer(body: str | bytes = "", status: int = 200, headers: Any = None, wait: Any = None) -> Any:  # noqa: N802
    return {"body": body, "status": status, "headers": headers or {}, "wait": wait}


NOON = datetime(2025, 5, 1, 12, 0, tzinfo=timezone.utc)  # a Thursday
BERLIN = {
    "id": 2950159,
    "name": "Berlin",
    "latitude": 52.52437,
    "longitude": 13.41053,
    "feature_code": "PPLC",
    "country_code": "DE",
    "admin1": "State of Berlin",
    "timezone": "Europe/Berlin",
    "population": 3426354,
    "country": "Germany",
}


def place(name: str, population: int | None, country: str, admin1: str = "") -> dict[str, Any]:
    more = {"name": name, "population": population, "country": country, "admin1": admin1}
    return {**BERLIN, **more, "country_code": country[:2].upper()}


def places(*found: dict[str, Any]) -> Answer:
    """Answers as the geocoding service does: without `results` if there are none."""
    answer = {"results": list(found)} if found else {}
    return Answer(json.dumps({**answer, "generationtime_ms": 0.5}))


def forecast(first: str = "2025-05-01", offset: int = 7200, **changes: Any) -> dict[str, Any]:
    days = [date.fromisoformat(first) + timedelta(days=n) for n in range(8)]
    return {
        "latitude": 52.52,
        "longitude": 13.419998,
        "generationtime_ms": 0.1,
        "utc_offset_seconds": offset,
        "timezone": "Europe/Berlin",
        "current_units": {"time": "iso8601", "temperature_2m": "°C"},
        "current": {
            "time": "2025-05-01T14:00",
            "interval": 900,
            "temperature_2m": 20.4,
            "apparent_temperature": 18.6,
            "wind_speed_10m": 11.9,
            "weather_code": 2,
        },
        "daily": {
            "time": [day.isoformat() for day in days],
            "weather_code": [3, 61, 0, 95, 71, 45, 2, 80],
            "temperature_2m_max": [22.4, 19.6, 25.0, 18.0, 1.0, 10.1, 14.0, 15.0],
            "temperature_2m_min": [12.2, 10.0, 9.0, 8.0, -3.4, 0.0, 4.0, 5.0],
            "precipitation_probability_max": [10, 80, 0, 95, 60, None, 5, 40],
        },
        **changes,
    }


@pytest.fixture
def meteo(loopback: Loopback) -> Loopback:
    loopback.routes.clear()
    loopback.asked.clear()
    loopback.routes["/search"] = places(BERLIN)
    loopback.routes["/forecast"] = Answer(json.dumps(forecast()))
    return loopback


@pytest.fixture(scope="module")
def desk_at(desk_for: Any) -> Any:
    return lambda url, **table: make_desk(desk_for, url, table)


def make_desk(desk_for: Any, url: str, table: dict[str, Any]) -> Desk:
    """The tool freshly loaded, with an empty cache, on a day in May."""
    urls = {"geocoding_url": f"{url}/search", "forecast_url": f"{url}/forecast"}
    desk = desk_for("weather", **urls, **table)
    desk.module.utc_now = lambda: NOON
    return desk


@pytest.fixture
def desk(desk_at: Any, meteo: Loopback) -> Desk:
    return desk_at(meteo.url)


def test_the_answer_has_now_and_the_rest_of_the_day_in_sentences(desk: Desk) -> None:
    outcome = desk(location="berlin")
    assert outcome.outcome == "ok"
    assert outcome.text == (
        "The weather in Berlin, Germany. Now it is 20 degrees Celsius, partly cloudy, and feels"
        " like 19 degrees, with wind of 12 kilometres per hour. Today: overcast, 12 to 22 degrees"
        " Celsius, 10 percent chance of rain or snow."
    )
    assert outcome.data["place"]["country"] == "Germany"
    assert outcome.data["now"]["temperature_2m"] == 20.4
    assert len(outcome.data["days"]) == 8
    assert outcome.data["today"] == "2025-05-01"


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("today", ["Today: overcast"]),
        ("tonight", ["Today: overcast"]),
        ("tomorrow", ["Tomorrow: light rain, 10 to 20 degrees Celsius, 80 percent chance"]),
        ("tomorrow morning", ["Tomorrow: light rain"]),
        ("the day after tomorrow", ["Saturday: clear sky, 9 to 25"]),
        ("on Monday", ["Monday: light snow, minus 3 to 1 degree Celsius"]),
        ("next thursday", ["Next Thursday: light showers"]),
        ("in a week", ["Next Thursday: light showers"]),
        ("tues", ["Tuesday: fog, 0 to 10 degrees Celsius."]),
        ("in 3 days", ["Sunday: thunderstorms"]),
        ("this weekend", ["Saturday:", "Sunday:"]),
        ("the next three days", ["Today:", "Tomorrow:", "Saturday:"]),
        ("2025-05-03", ["Saturday:"]),
        ("明天", ["Tomorrow:"]),
        ("后天", ["Saturday:"]),
        ("周一", ["Monday:"]),
        ("三天后", ["Sunday:"]),
    ],
)
def test_the_day_is_understood_in_everyday_words(desk: Desk, day: str, told: list[str]) -> None:
    outcome = desk(location="berlin", day=day)
    assert outcome.outcome == "ok", outcome.text
    sentences = outcome.text.removeprefix("The weather in Berlin, Germany. ").split(". ")
    assert len(sentences) == len(told)
    assert all(words in sentence + "." for words, sentence in zip(told, sentences, strict=True))


def test_a_week_is_seven_days(desk: Desk) -> None:
    assert desk(location="berlin", day="this week").text.count("degree") == 7


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("yesterday", "I don't know what day yesterday is"),
        ("2025-04-30", "only for today and the next 7 days"),
        ("2025-05-09", "only for today and the next 7 days"),
        ("in 40 days", "only for today and the next 7 days"),
        ("0 days", "only for today and the next 7 days"),
        ("the day of judgement", "Say today, tomorrow"),
    ],
)
def test_a_day_without_a_forecast_is_refused(desk: Desk, day: str, words: str) -> None:
    outcome = desk(location="berlin", day=day)
    assert outcome.outcome == "error"
    assert words in outcome.text


@pytest.mark.parametrize(
    ("offset", "first", "told"),
    [(14 * 3600, "2025-05-02", "light rain"), (-11 * 3600, "2025-05-01", "light rain")],
)
def test_tomorrow_is_the_day_after_the_date_at_the_place(
    desk: Desk, meteo: Loopback, offset: int, first: str, told: str
) -> None:
    meteo.routes["/forecast"] = Answer(json.dumps(forecast(first, offset)))
    outcome = desk(location="berlin", day="tomorrow")
    assert outcome.data["today"] == first
    assert f"Tomorrow: {told}" in outcome.text


@pytest.mark.parametrize("units", ["imperial", "fahrenheit", "auto"])
def test_imperial_units_are_requested_and_spoken(desk_at: Any, meteo: Loopback, units: str) -> None:
    outcome = desk_at(meteo.url, units="imperial")(location="berlin", units=units)
    query = meteo.asked[-1][1]
    assert (query["temperature_unit"], query["wind_speed_unit"]) == ("fahrenheit", "mph")
    assert "20 degrees Fahrenheit" in outcome.text
    assert "12 miles per hour" in outcome.text


def test_among_places_with_one_name_the_most_populous_is_chosen(
    desk: Desk, meteo: Loopback
) -> None:
    meteo.routes["/search"] = places(
        place("Springfield", 114394, "United States", "Illinois"),
        place("Springfield", 170188, "United States", "Missouri"),
        place("Springfield Gardens", 9_000_000, "United States", "New York"),
        place("Springfield", None, "Jamaica"),
    )
    outcome = desk(location="springfield")
    assert outcome.text.startswith("The weather in Springfield, Missouri, United States.")
    assert "Springfield, Illinois, United States" in outcome.data["other_places"]


def test_a_country_or_state_behind_the_name_needs_no_comma(desk: Desk, meteo: Loopback) -> None:
    def search(query: dict[str, str]) -> Answer:
        france, texas = place("Paris", 2_000_000, "France"), place("Paris", 24_000, "USA", "Texas")
        return places(france, texas) if query["name"].lower() == "paris" else places()

    meteo.routes["/search"] = search
    for name in ("paris texas", "Paris, Texas"):
        assert desk(location=name).data["place"]["admin1"] == "Texas"


@pytest.mark.parametrize(
    ("name", "context", "language"),
    [
        ("北京", "", "zh"),
        ("東京タワー", "zh-CN", "ja"),
        ("Москва", "en", "ru"),
        ("서울", "", "ko"),
        ("Warszawa", "pl-PL", "pl"),
        ("Berlin", "", "en"),
    ],
)
def test_the_service_is_asked_in_the_language_of_the_name(
    desk: Desk, meteo: Loopback, name: str, context: str, language: str
) -> None:
    desk(location=name, language=context)
    assert meteo.asked[0] == (
        "/search",
        {"name": name, "count": "20", "language": language, "format": "json"},
    )


def test_an_unknown_place_is_reported(desk: Desk, meteo: Loopback) -> None:
    meteo.routes["/search"] = places()
    outcome = desk(location="Atlantis")
    assert outcome.outcome == "error"
    assert outcome.text.startswith("I know no place called Atlantis.")
    assert [path for path, _ in meteo.asked] == ["/search"]


@pytest.mark.parametrize("name", ["", " ?", "\x00", "x" * 101])
def test_a_missing_name_is_asked_for(desk: Desk, meteo: Loopback, name: str) -> None:
    assert desk(location=name).text.startswith("I need the name of a place")
    assert not meteo.asked


def test_a_forecast_is_cached_for_some_minutes(desk: Desk, meteo: Loopback) -> None:
    desk(location="berlin")
    desk(location="berlin", day="tomorrow")
    assert [path for path, _ in meteo.asked] == ["/search", "/forecast"]
    desk(location="berlin", units="imperial")
    assert [path for path, _ in meteo.asked] == ["/search", "/forecast", "/forecast"]


def test_every_call_sends_a_request_without_caching(desk_at: Any, meteo: Loopback) -> None:
    desk = desk_at(meteo.url, cache_s=0)
    desk(location="berlin")
    desk(location="berlin")
    assert len(meteo.asked) == 4


def test_an_expired_forecast_is_requested_again(
    desk: Desk, meteo: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk(location="berlin")
    later = desk.module.time.monotonic() + 601
    monkeypatch.setattr(desk.module.time, "monotonic", lambda: later)
    desk(location="berlin")
    assert len(meteo.asked) == 4


def test_failures_are_not_cached(desk: Desk, meteo: Loopback) -> None:
    good, meteo.routes["/forecast"] = meteo.routes["/forecast"], Answer("{}")
    assert desk(location="berlin").outcome == "error"
    meteo.routes["/forecast"] = good
    assert desk(location="berlin").outcome == "ok"


def test_concurrent_calls_each_get_their_own_place(desk: Desk, meteo: Loopback) -> None:
    meteo.routes["/search"] = lambda query: places(place(query["name"], 5, "Nowhere"))
    names = [f"town {n}" for n in range(40)]
    outcomes = desk.together([{"location": name} for name in names])
    assert [outcome.data["place"]["name"] for outcome in outcomes] == names


def test_the_cache_is_bounded(desk: Desk, meteo: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.module, "MAX_CACHED", 10)
    meteo.routes["/search"] = lambda query: places(place(query["name"], 5, "Nowhere"))
    desk.together([{"location": f"town {n}"} for n in range(15)])
    assert len(desk.module._cache) == 10


UNREADABLE = "an answer that I could not read"
TROUBLE = "trouble of its own"


@pytest.mark.parametrize(
    ("answer", "words", "attempts"),
    [
        (Answer('{"reason":"x","error":true}', 400), UNREADABLE, 1),
        (Answer("gone", 404), UNREADABLE, 1),
        (Answer('{"reason":"Minutely limit exceeded","error":true}', 429), "is busy", 1),
        (Answer("oops", 500), TROUBLE, 3),
        (Answer("<html>Bad gateway", 502), TROUBLE, 3),
        (Answer("<html>Please log in</html>"), UNREADABLE, 1),
        (Answer(""), UNREADABLE, 1),
        (Answer("null"), UNREADABLE, 1),
        (Answer("[1, 2]"), UNREADABLE, 1),
        (Answer('{"results": [{"name": 3}], "daily": 7}'), UNREADABLE, 1),
        (Answer("[" * 100_000), UNREADABLE, 1),
        (Answer(b"\xff\xfe\x00"), UNREADABLE, 1),
        (Answer('{"results": ' + " " * 1_100_000 + "[]}"), UNREADABLE, 1),
        (Answer('{"results"', headers={"Content-Length": "500"}), "broke off", 3),
        (Answer("", 302, {"Location": "/loop"}), UNREADABLE, 1),
        (Answer("", 302, {"Location": "http://["}), "weather service", None),
        (Answer("", 302, {"Location": "ftp://example.com/"}), UNREADABLE, 1),
        (Answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), UNREADABLE, 1),
    ],
)
@pytest.mark.parametrize("path", ["/search", "/forecast"])
def test_a_failing_service_is_reported_in_plain_words(
    desk: Desk, meteo: Loopback, path: str, answer: Answer, words: str, attempts: int | None
) -> None:
    meteo.routes[path] = meteo.routes["/loop"] = answer
    outcome = desk(location="berlin")
    assert outcome.outcome == "error"
    assert words in outcome.text
    assert attempts is None or outcome.attempts == attempts


def test_a_redirect_is_followed(desk: Desk, meteo: Loopback) -> None:
    meteo.routes["/moved"] = meteo.routes["/search"]
    meteo.routes["/search"] = Answer("", 301, {"Location": "/moved"})
    assert desk(location="berlin").outcome == "ok"


def test_a_missing_network_is_reported_at_once(desk_at: Any, closed_port: str) -> None:
    outcome = desk_at(closed_port)(location="berlin")
    assert outcome.outcome == "error"
    assert outcome.text.startswith("I could not reach the weather service.")
    assert outcome.attempts == 1


def test_a_service_that_never_answers_times_out(desk_at: Any, meteo: Loopback) -> None:
    release = threading.Event()
    meteo.routes["/search"] = Answer("{}", wait=release)
    outcome = desk_at(meteo.url, timeout_s=0.1)(location="berlin")
    release.set()
    assert outcome.outcome == "error"
    assert outcome.text.startswith("I could not reach the weather service.")


def test_nan_values_are_refused(desk: Desk, meteo: Loopback) -> None:
    for odd in ("NaN", "1e999", "1e300", '"warm"', "null"):
        text = json.dumps(forecast()).replace("20.4", odd)
        meteo.routes["/forecast"] = Answer(text)
        assert desk(location="berlin").text == f"The weather service gave {UNREADABLE}."


def test_days_that_the_service_leaves_out_are_not_invented(desk: Desk, meteo: Loopback) -> None:
    daily = {name: column[:1] for name, column in forecast()["daily"].items()}
    meteo.routes["/forecast"] = Answer(json.dumps(forecast(daily=daily)))
    assert desk(location="berlin", day="today").outcome == "ok"
    outcome = desk(location="berlin", day="tomorrow")
    assert outcome.text == "The weather service has no forecast for that day."


def test_unknown_codes_and_missing_values_are_left_out(desk: Desk, meteo: Loopback) -> None:
    daily = {name: [None] * 8 for name in forecast()["daily"]}
    daily["time"] = forecast()["daily"]["time"]
    current = {"temperature_2m": -1.2, "weather_code": 1234}
    meteo.routes["/forecast"] = Answer(json.dumps(forecast(daily=daily, current=current)))
    outcome = desk(location="berlin")
    assert outcome.text.endswith("Now it is minus 1 degree Celsius. Today: no forecast.")


def test_names_from_the_service_cannot_break_the_line(desk: Desk, meteo: Loopback) -> None:
    meteo.routes["/search"] = places(place("Ber\nlin\u202e\x00", 5, "<|EOT|>"))
    assert desk(location="berlin").text.startswith("The weather in Ber lin, <|EOT|>. Now")


@pytest.fixture(scope="module")
def garbled(desk_at: Any, loopback: Loopback) -> tuple[Desk, Loopback]:
    return desk_at(loopback.url, cache_s=0), loopback


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
changes = st.dictionaries(st.sampled_from([*BERLIN, *forecast(), "results"]), values, max_size=4)


@settings(max_examples=60, deadline=None)
@given(search=changes, found=changes, told=changes, raw=st.none() | st.binary(max_size=30))
def test_any_response_of_the_service_ends_in_words(
    garbled: tuple[Desk, Loopback],
    search: dict[str, Any],
    found: dict[str, Any],
    told: dict[str, Any],
    raw: bytes | None,
) -> None:
    desk, meteo = garbled
    answer = json.dumps({"results": [{**BERLIN, **found}], **search})
    meteo.routes["/search"] = Answer(answer)
    meteo.routes["/forecast"] = Answer(json.dumps(forecast(**told)) if raw is None else raw)
    outcome = desk(location="berlin")
    assert outcome.outcome in ("ok", "error")
    assert "unexpected" not in outcome.text


@settings(max_examples=100, deadline=None)
@given(location=st.text(max_size=120), day=st.text(max_size=40))
def test_any_place_and_any_day_end_in_words(
    garbled: tuple[Desk, Loopback], location: str, day: str
) -> None:
    desk, meteo = garbled
    meteo.routes["/search"] = places(BERLIN)
    meteo.routes["/forecast"] = Answer(json.dumps(forecast()))
    outcome = desk(location=location, day=day)
    assert outcome.outcome in ("ok", "error")
    assert "unexpected" not in outcome.text


days = st.from_regex(r"(in |the next )?[0-9]{1,4} days?( from now)?", fullmatch=True)


@settings(max_examples=200, deadline=None)
@given(text=days | st.dates().map(str) | st.text(), today=st.dates(max_value=date(9999, 1, 1)))
def test_days_lie_between_today_and_a_week_ahead(
    garbled: tuple[Desk, Loopback], text: str, today: date
) -> None:
    module = garbled[0].module
    try:
        meant = module.days_meant(text, today)
    except module.ToolError:
        return
    assert meant == sorted(set(meant))
    assert all(0 <= (day - today).days < module.DAYS for day in meant)
