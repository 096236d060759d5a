from __future__ import annotations

import html
import threading
from typing import Any

import ddgs
import pytest
from ddgs.engines.duckduckgo import Duckduckgo
from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import SettingsError

Desk = Any  # conftest's, which a test file can't import
Loopback = Any


def Answer(body: str | bytes = "", status: int = 200, headers: Any = None, wait: Any = None) -> Any:  # noqa: N802
    return {"body": body, "status": status, "headers": headers or {}, "wait": wait}


WALL = ("Great Wall of China", "https://en.wikipedia.org/wiki/Great_Wall", "It is very long.")


def row(title: str, href: str, body: str) -> dict[str, str]:
    return {"title": title, "href": href, "body": body}


def page(*rows: tuple[str, str, str]) -> str:
    """A page of results in the shape that DuckDuckGo's HTML site has."""
    results = "".join(
        f'<div class="links_main result__body"><h2><a href="{href}">{html.escape(title)}</a></h2>'
        f'<a class="result__snippet" href="{href}">{html.escape(body)}</a></div>'
        for title, href, body in rows
    )
    return f"<html><body><div id='links'>{results}</div></body></html>"


@pytest.fixture
def desk(desk_for: Any) -> Desk:
    return desk_for("web_search")


@pytest.fixture
def web(desk_for: Any, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The tool with all of ddgs, whose DuckDuckGo is the loopback server."""
    monkeypatch.setattr(Duckduckgo, "search_url", f"{loopback.url}/html/")
    return desk_for("web_search", backends=["duckduckgo"], timeout_s=1)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Returns the results of ddgs."""
    rows: list[Any] = []
    monkeypatch.setattr(ddgs.DDGS, "text", lambda self, query, **options: list(rows))
    return rows


def test_results_of_a_search_engine_are_spoken_with_their_sites(
    web: Desk, loopback: Loopback
) -> None:
    loopback.routes["/html/"] = Answer(
        page(WALL, ("Tourism", "https://www.visit.example.com/wall", "Most people go in May."))
    )
    outcome = web(query="great wall")
    assert outcome.outcome == "ok"
    assert "From wikipedia.org: It is very long." in outcome.text
    assert "From visit.example.com: Most people go in May." in outcome.text
    assert {result["title"] for result in outcome.data["results"]} == {WALL[0], "Tourism"}
    assert {result["link"] for result in outcome.data["results"]} >= {WALL[1]}


@pytest.mark.parametrize("status", [200, 429, 500])
def test_a_search_without_results_is_a_plain_sentence(
    web: Desk, loopback: Loopback, status: int
) -> None:
    loopback.routes["/html/"] = Answer(page(), status)
    outcome = web(query="qqqq")
    assert (outcome.outcome, outcome.text) == ("ok", "I found nothing on the web about qqqq.")
    assert outcome.data == {"query": "qqqq", "results": []}


def test_a_page_without_results_is_reported_as_unreadable(web: Desk, loopback: Loopback) -> None:
    loopback.routes["/html/"] = Answer(" ")
    outcome = web(query="great wall")
    assert outcome.outcome == "error"
    assert "could not read" in outcome.text


def test_a_search_engine_that_never_answers_times_out(web: Desk, loopback: Loopback) -> None:
    release = threading.Event()
    loopback.routes["/html/"] = Answer(page(WALL), wait=release)
    outcome = web(query="great wall")
    release.set()
    assert outcome.outcome == "error"
    assert outcome.text.startswith("I could not reach the web")
    assert outcome.attempts == 1


def test_a_missing_network_is_reported_as_an_unreachable_web(
    desk_for: Any, closed_port: str
) -> None:
    desk = desk_for("web_search", proxy=closed_port)
    outcome = desk(query="great wall")
    assert outcome.outcome == "error"
    assert outcome.text == "I could not reach the web. There may be no internet connection."
    assert outcome.attempts == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RatelimitException("202 Ratelimit"), "The web search is busy"),
        (TimeoutException("timed out"), "I could not reach the web"),
        (DDGSException(DDGSException("ConnectError: refused")), "I could not reach the web"),
        (DDGSException(KeyError("x")), "an answer that I could not read"),
    ],
)
def test_every_failure_of_ddgs_has_plain_words(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def text(self: Any, query: str, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(ddgs.DDGS, "text", text)
    outcome = desk(query="great wall")
    assert outcome.outcome == "error"
    assert words in outcome.text


def test_the_settings_reach_the_search(desk_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def text(self: Any, query: str, **options: Any) -> Any:
        asked.update(options, query=query)
        return []

    monkeypatch.setattr(ddgs.DDGS, "text", text)
    table = {"region": "de-de", "safe_search": "off", "backends": "wikipedia, brave"}
    desk_for("web_search", **table)(query=" große  mauer\n", max_results=99)
    assert asked == {
        "query": "große mauer",
        "region": "de-de",
        "safesearch": "off",
        "max_results": 20,
        "backend": "wikipedia,brave",
    }


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"backends": ["googel"]}, "backends are some of"),
        ({"backends": []}, "backends are some of"),
        ({"region": "Germany"}, "region"),
        ({"safe_search": "maybe"}, "safe_search"),
        ({"regio": "de-de"}, "did you mean 'region'"),
    ],
)
def test_wrong_settings_are_refused(desk_for: Any, table: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        desk_for("web_search", **table)


def test_hostile_pages_become_plain_sentences(desk: Desk, found: list[Any]) -> None:
    body = (
        "<script>alert(1)</script><b>Bold&nbsp;fact</b> &lt;i&gt;one&lt;/i&gt;\u202e\x07 a < b"
        " **two** [three](https://evil.example/x) https://evil.example/?q=1 [12] <|EOT|>."
    )
    found.append(row("T\x00itle", "https://example.com/", body))
    outcome = desk(query="x")
    assert outcome.text == "From example.com: Bold fact one a < b two three < EOT >."
    assert outcome.data["results"][0]["title"] == "T itle"
    assert "alert" not in str(outcome.data)


def test_equal_results_are_spoken_once(desk: Desk, found: list[Any]) -> None:
    found.extend(
        [
            row(*WALL),
            row("Again", "http://www.en.wikipedia.org/wiki/Great_Wall/", "Other words."),
            row("Copy", "https://copy.example.com/", "It is VERY long."),
        ]
    )
    assert desk(query="wall").data["results"] == [
        {"title": WALL[0], "snippet": WALL[2], "link": WALL[1], "site": "wikipedia.org"}
    ]


@pytest.mark.parametrize(("wanted", "given"), [(1, 1), (3, 3), (0, 1), (-5, 1), (1000, 20)])
def test_no_more_results_come_than_requested(
    desk: Desk, found: list[Any], wanted: int, given: int
) -> None:
    found.extend(row(f"t{i}", f"https://a.example/{i}", f"Fact {i}.") for i in range(30))
    assert len(desk(query="x", max_results=wanted).data["results"]) == given


def test_long_snippets_end_with_a_sentence_or_a_word(desk: Desk, found: list[Any]) -> None:
    found.append(row("t", "https://a.example/", "One sentence here. " * 100))
    found.append(row("t", "https://b.example/", "word " * 500))
    found.append(row("t", "https://c.example/", "长城很长。" * 200))
    text = desk(query="x").text
    assert len(text) < 1000
    assert "One sentence here. From b.example" in text
    assert "word. From c.example" in text
    assert text.endswith("长城很长。")


@pytest.mark.parametrize("query", ["", "  ", "?!", "\x00", "<b></b>"])
def test_an_empty_query_asks_back(desk: Desk, query: str) -> None:
    outcome = desk(query=query)
    assert outcome.outcome == "error"
    assert "Say it in a few words" in outcome.text


odd = st.none() | st.integers() | st.text() | st.binary() | st.lists(st.text(), max_size=2)
fields = st.fixed_dictionaries(
    {},
    optional={
        "title": odd,
        "body": odd,
        "href": odd | st.sampled_from(["http://[", "https://a.b/c", "https://[::1]/", "ftp://x"]),
    },
)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(fields | odd, max_size=5) | odd, query=st.text(min_size=1))
def test_whatever_ddgs_returns_the_call_ends_in_an_answer(
    desk_for: Any, rows: Any, query: str
) -> None:
    desk = desk_for("web_search")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ddgs.DDGS, "text", lambda self, query, **options: rows)
        outcome = desk(query=query)
    assert outcome.outcome in ("ok", "error")
    assert "unexpected" not in outcome.text
    assert outcome.text.isprintable() or any(c in outcome.text for c in "\u200c\u200d")
