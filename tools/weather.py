"""The weather now and up to 7 days ahead, from Open-Meteo (open-meteo.com), which needs no key."""

from __future__ import annotations

import re
import threading
import time
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Any, Literal

import anyio
import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_jsonable_python

from assistant import ToolContext, ToolError, ToolResult, tool

DAYS = 8  # today and 7 more
MAX_NAME_CHARS = 100
MAX_ANSWER_BYTES = 1_000_000
MAX_CACHED = 256
SAY = "Say today, tomorrow, a weekday, this weekend, this week or a date."
UNREACHED = "I could not reach the weather service. There may be no internet connection."
UNREADABLE = "The weather service gave an answer that I could not read."

# WMO code table 4677, the part that Open-Meteo uses.
SKY = {0: "clear sky", 1: "mostly clear sky", 2: "partly cloudy", 3: "overcast", 45: "fog"}
SKY |= {48: "freezing fog", 51: "light drizzle", 53: "drizzle", 55: "heavy drizzle"}
SKY |= {56: "light freezing drizzle", 57: "freezing drizzle", 61: "light rain", 63: "rain"}
SKY |= {65: "heavy rain", 66: "light freezing rain", 67: "freezing rain", 71: "light snow"}
SKY |= {73: "snow", 75: "heavy snow", 77: "snow grains", 80: "light showers", 81: "showers"}
SKY |= {82: "violent showers", 85: "light snow showers", 86: "heavy snow showers"}
SKY |= {95: "thunderstorms", 96: "thunderstorms with hail", 99: "thunderstorms with heavy hail"}
# The service finds a name only in the language of the request.
SCRIPTS = {"ja": "[\u3040-\u30ff]", "ko": "[\uac00-\ud7af]", "zh": "[\u4e00-\u9fff]"}
SCRIPTS |= {"ru": "[\u0400-\u04ff]", "ar": "[\u0600-\u06ff]", "hi": "[\u0900-\u097f]"}

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NOW = ("", "now", "right now", "currently", "at the moment", "outside", "现在", "目前")
AHEAD = {"": 0, "today": 0, "今天": 0, "今日": 0, "tomorrow": 1, "明天": 1, "明日": 1}
AHEAD |= {"day after tomorrow": 2, "后天": 2, "大后天": 3, "in a week": 7, "一周后": 7}
WEEK = ("week", "days", "few days", "周", "一周", "星期", "几天")
NUMBERS = dict(zip("一二三四五六七两", (1, 2, 3, 4, 5, 6, 7, 2), strict=True))
NUMBERS |= {str(number): number for number in range(1, 100)}
NUMBERS |= {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
_FILLER = re.compile(
    r"\b(?:on|for|the|this|in the next|coming|next|following|over|whole|rest of|early|late"
    r"|morning|noon|afternoon|evening|night|tonight|forecast)\b"
    r"|今?[早晚]上?|[上中下]午|未来|[这下本](?=周|星期|几)"
)
_WEEKDAY_ZH = re.compile("(?:星期|周|礼拜)([一二三四五六日天])")
_IN_DAYS = re.compile(r"in (\w+) days?|(\w+) days? (?:from now|from today|ahead)|(\w)天[后後]")
_DAYS = re.compile(r"(\w+?)(?:[ -]days?|天)")


class Settings(BaseModel):
    """The table `tools.weather`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    geocoding_url: str = Field("https://geocoding-api.open-meteo.com/v1/search", pattern="^https?:")
    forecast_url: str = Field("https://api.open-meteo.com/v1/forecast", pattern="^https?:")
    units: Literal["metric", "imperial"] = "metric"
    timeout_s: float = Field(8.0, gt=0.0)
    cache_s: float = Field(600.0, ge=0.0)
    """How long a response of the service is reused, in seconds; 0 never reuses one."""


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


Units = Literal["auto", "metric", "imperial", "celsius", "fahrenheit"]
Words = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
Number = Annotated[float, Field(ge=-1_000, le=1_000, allow_inf_nan=False)]
Numbers = Annotated[list[Number | None], Field(max_length=20)]


class Spot(BaseModel):
    """A place that the geocoding service knows."""

    name: Words
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    country: Words = ""
    country_code: Words = ""
    admin1: Words = ""
    population: int | None = Field(None, ge=0)

    def lies_in(self, area: str) -> bool:
        known = (self.country, self.country_code, self.admin1)
        return area.casefold() in ("", *map(str.casefold, known))

    def label(self, *, area: bool) -> str:
        parts = (self.name, self.admin1 if area else "", self.country)
        return ", ".join(dict.fromkeys(filter(None, parts)))


class Current(BaseModel):
    temperature_2m: Number
    apparent_temperature: Number | None = None
    wind_speed_10m: Number | None = None
    weather_code: int = -1


class Daily(BaseModel):
    time: list[date] = Field(max_length=20)
    weather_code: list[int | None]
    temperature_2m_min: Numbers
    temperature_2m_max: Numbers
    precipitation_probability_max: Numbers


class Found(BaseModel):
    results: list[Spot] = Field([], max_length=100)


class Forecast(BaseModel):
    utc_offset_seconds: int = Field(ge=-86_400, le=86_400)
    current: Current
    daily: Daily

    def days(self) -> list[dict[str, Any]]:
        names, columns = zip(*self.daily, strict=True)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=False)]


@tool(
    examples=[
        "what's the weather in berlin",
        "what is the weather like in san francisco right now",
        "will it rain in paris tomorrow",
        "weather forecast for new york on friday",
        "how cold will it be in oslo this weekend",
        "do i need an umbrella in seattle the day after tomorrow",
        "temperature in chicago in fahrenheit",
        "will it snow in toronto this week",
        "what will the weather be in rome in 3 days",
        "北京今天天气怎么样",
        "上海明天会下雨吗",
    ],
    side_effect="none",
    timeout_s=20,
    settings=Settings,
    lead_in="Let me check the weather.",
)
async def weather(
    location: Annotated[str, "City or place, such as 'Berlin' or 'Paris, Texas'"],
    context: ToolContext,
    day: Annotated[str, "now, tomorrow, a weekday, the weekend, the week or a date"] = "now",
    units: Annotated[Units, "Units of measurement; auto for the usual ones"] = "auto",
) -> ToolResult:
    """Tells the weather in a place: temperature, rain, snow and wind, now or in the next days."""
    settings: Settings = context.settings
    unit = {"auto": settings.units, "celsius": "metric", "fahrenheit": "imperial"}.get(units, units)
    spot, others = await _find(location, context.language, settings)
    forecast: Forecast = await _forecast(spot, unit, settings)
    today = (utc_now() + timedelta(seconds=forecast.utc_offset_seconds)).date()
    wanted, rows = days_meant(day[:MAX_NAME_CHARS], today), forecast.days()
    told = [_tell_day(row, today, unit) for row in rows if row["time"] in (wanted or [today])]
    if len(told) < len(wanted):
        raise ToolError("The weather service has no forecast for that day.")
    if not wanted:
        told.insert(0, _tell_now(forecast.current, unit))
    label = spot.label(area=any(other.country == spot.country for other in others))
    text = f"The weather in {label}. {' '.join(told)}"
    data: dict[str, Any] = {"place": spot, "other_places": [s.label(area=True) for s in others]}
    data |= {"units": unit, "today": today, "now": forecast.current, "days": rows}
    return ToolResult(text=text, data=to_jsonable_python(data))


def utc_now() -> datetime:
    """The clock; tests put another in its place."""
    return datetime.now(timezone.utc)


async def _find(name: str, language: str, settings: Settings) -> tuple[Spot, list[Spot]]:
    """The most populous place of that name, and the others of the same name."""
    name = _printable(name).strip(" .?!,。？！")
    if not name or len(name) > MAX_NAME_CHARS:
        raise ToolError("I need the name of a place for the weather, such as Berlin.")
    scripts = (code for code, letters in SCRIPTS.items() if re.search(letters, name))
    language = next(scripts, language.partition("-")[0].lower() or "en")
    words = name.replace(",", " ").split()  # a recognizer writes no comma in `Paris, Texas`
    cuts = range(1, min(len(words), 3))
    splits = [(name, ""), *((" ".join(words[:-n]), " ".join(words[-n:])) for n in cuts)]
    for city, area in splits:
        params = {"name": city, "count": "20", "language": language, "format": "json"}
        found: Found = await _get(settings.geocoding_url, params, Found, settings)
        fitting = [spot for spot in found.results if spot.lies_in(area)]
        exact = [s for s in fitting if s.name.casefold() == city.partition(",")[0].casefold()]
        ranked = sorted(exact or fitting, key=lambda spot: -(spot.population or 0))
        if ranked:
            return ranked[0], [spot for spot in ranked[1:] if spot.name == ranked[0].name]
    raise ToolError(f"I know no place called {name}. Say a city, perhaps with its country.")


async def _forecast(spot: Spot, unit: str, settings: Settings) -> Any:
    params = {"latitude": f"{spot.latitude:.2f}", "longitude": f"{spot.longitude:.2f}"}
    params |= {"timezone": "auto", "forecast_days": str(DAYS)}
    params["current"] = ",".join(Current.model_fields)
    params["daily"] = ",".join(name for name in Daily.model_fields if name != "time")
    if unit == "imperial":
        params |= {"temperature_unit": "fahrenheit", "wind_speed_unit": "mph"}
    return await _get(settings.forecast_url, params, Forecast, settings)


_TLS = httpx.create_ssl_context()  # once: it takes longer than the rest of a call
_cache: dict[str, tuple[float, Any]] = {}  # any thread and any event loop may call this
_lock = threading.Lock()


async def _get(url: str, params: dict[str, str], form: type[BaseModel], settings: Settings) -> Any:
    key = f"{url} {params}"
    with _lock:
        at, kept = _cache.get(key, (0.0, None))
    if kept is not None and time.monotonic() - at < settings.cache_s:
        return kept
    try:
        answer = form.model_validate_json(await _fetch(url, params, settings.timeout_s))
    except ValidationError:
        raise ToolError(UNREADABLE) from None
    with _lock:
        _cache[key] = (time.monotonic(), answer)
        if len(_cache) > MAX_CACHED:
            del _cache[next(iter(_cache))]  # the client that was set first
    return answer


async def _fetch(url: str, params: dict[str, str], timeout_s: float) -> bytes:
    """Returns the body of the response. Every failure of the network or the
    service is a ToolError.
    """
    try:
        with anyio.fail_after(timeout_s):
            return await _body(url, params)
    except (TimeoutError, httpx.ConnectError, httpx.TimeoutException):
        raise ToolError(UNREACHED) from None
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        raise ToolError("The line to the weather service broke off.", transient=True) from None
    except (httpx.HTTPError, httpx.InvalidURL):  # redirects without end, or to no address
        raise ToolError(UNREADABLE) from None


async def _body(url: str, params: dict[str, str]) -> bytes:
    # Uncompressed, so that the limit on the body also limits the memory.
    headers = {"Accept-Encoding": "identity"}
    async with (
        httpx.AsyncClient(verify=_TLS, timeout=None, follow_redirects=True) as client,
        client.stream("GET", url, params=params, headers=headers) as response,
    ):
        if (
            response.status_code == 429
        ):  # limits are by minute and hour: an immediate retry is useless
            raise ToolError("The weather service is busy: too many questions. Try again later.")
        if response.status_code >= 500:
            raise ToolError("The weather service has trouble of its own.", transient=True)
        body = b""
        async for piece in response.aiter_raw():
            body += piece
            if response.status_code != 200 or len(body) > MAX_ANSWER_BYTES:
                raise ToolError(UNREADABLE)
        return body


def days_meant(text: str, today: date) -> list[date]:
    """The days that people mean by it, none for now. ToolError for what is no day ahead."""
    said = " ".join(text.casefold().strip(" .?!。？！").split())
    if said in NOW:
        return []
    ahead = _ahead(said, today)
    if not ahead or not all(0 <= days < DAYS for days in ahead):
        raise ToolError(f"I know the weather only for today and the next {DAYS - 1} days.")
    return [today + timedelta(days=days) for days in ahead]


def _ahead(said: str, today: date) -> list[int]:
    """Returns how many days from today it is; several for a weekend or a week."""
    words = " ".join(_FILLER.sub(" ", said).split())
    here = today.weekday()
    if words in AHEAD:
        return [AHEAD[words]]
    if words in WEEK:
        return list(range(7))
    if words in ("weekend", "周末"):
        return [day - here for day in (5, 6) if day >= here]
    if match := _WEEKDAY_ZH.fullmatch(words):
        return [(NUMBERS.get(match[1], 7) - 1 - here) % 7]
    for day, name in enumerate(WEEKDAYS):
        if len(words) > 2 and name.casefold().startswith(words.removesuffix("s")):
            return [(day - here) % 7 or (7 if "next" in said else 0)]
    if match := _IN_DAYS.fullmatch(words):
        return [NUMBERS.get(match[match.lastindex or 1], -1)]
    if match := _DAYS.fullmatch(words):
        return list(range(NUMBERS.get(match[1], 0)))
    try:
        return [(date.fromisoformat(words) - today).days]
    except ValueError:
        raise ToolError(f"I don't know what day {said[:40]} is. {SAY}") from None


def _tell_now(now: Current, unit: str) -> str:
    told = [f"Now it is {_degrees(unit, now.temperature_2m)}", SKY.get(now.weather_code, "")]
    if now.apparent_temperature is not None:
        told.append(f"and feels like {_degrees('', now.apparent_temperature)}")
    if now.wind_speed_10m is not None:
        speed = "miles" if unit == "imperial" else "kilometres"
        told.append(f"with wind of {round(now.wind_speed_10m)} {speed} per hour")
    return f"{', '.join(filter(None, told))}."


def _tell_day(row: dict[str, Any], today: date, unit: str) -> str:
    ahead = (row["time"] - today).days
    weekday = ("Next " if ahead == 7 else "") + WEEKDAYS[row["time"].weekday()]
    told = [SKY.get(row["weather_code"], "")]
    range_ = (row["temperature_2m_min"], row["temperature_2m_max"])
    if None not in range_:
        told.append(_degrees(unit, *range_))
    if (chance := row["precipitation_probability_max"]) is not None:
        told.append(f"{round(chance)} percent chance of rain or snow")
    day = {0: "Today", 1: "Tomorrow"}.get(ahead, weekday)
    return f"{day}: {', '.join(filter(None, told)) or 'no forecast'}."


def _degrees(unit: str, *values: float) -> str:
    """`minus 2 to 5 degrees Celsius`."""
    numbers = [f"minus {-n}" if n < 0 else str(n) for n in map(round, values)]
    noun = "degree" if numbers[-1] in ("1", "minus 1") else "degrees"
    scale = {"metric": " Celsius", "imperial": " Fahrenheit"}.get(unit, "")
    return f"{' to '.join(numbers)} {noun}{scale}"
