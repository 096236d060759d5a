"""Searches the web through ddgs, which asks public search engines and needs no key."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import ddgs
from ddgs.engines import ENGINES
from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException
from pydantic import BaseModel, ConfigDict, Field, field_validator

from assistant import ToolContext, ToolError, ToolResult, tool

MAX_QUERY_CHARS = 300
MAX_RESULTS = 20
MAX_RAW_CHARS = 8_000  # of one field of a page, before it is cleaned
MAX_TITLE_CHARS = 150
MAX_SNIPPET_CHARS = 400
MAX_SPOKEN_CHARS = 300  # of one snippet

_HIDDEN = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<!--.*?(?:-->|$)|</?[a-zA-Z][^<>]*>", re.DOTALL)
_LINK = re.compile(r"\[([^\[\]]{1,200})\]\([^()\s]{1,500}\)")
_UNSPEAKABLE = re.compile(r"(?:https?://|www\.)\S+|\[\d{1,3}\]|[*`|~^]+|_{2,}|#{2,}")
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？]")
_JOINERS = "\u200c\u200d"  # invisible, yet part of the spelling of Persian, Hindi and others


class Settings(BaseModel):
    """The table `tools.web_search`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str = Field("us-en", pattern=r"^[a-z]{2}-[a-z]{2,3}$")
    """Country and language of the results, as ddgs writes them: us-en, uk-en, cn-zh, de-de."""
    safe_search: Literal["on", "moderate", "off"] = "moderate"
    backends: tuple[str, ...] = ("wikipedia", "duckduckgo", "brave", "yahoo")
    """Search engines, asked two at a time until there are enough results."""
    timeout_s: int = Field(3, ge=1, le=60)
    """How long one search engine may take, in seconds."""
    spoken_results: int = Field(3, ge=1, le=MAX_RESULTS)
    """The number of results that the model reads; the data has all of them."""
    proxy: str | None = None
    """http, https or socks5 URL of a proxy."""

    @field_validator("backends", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
        known = sorted(ENGINES["text"])
        # ddgs queries all of its engines if it knows none of the names, so a typing error would
        # go unnoticed.
        if not names or not all(name in known for name in names):
            raise ValueError(f"backends are some of {', '.join(known)}")
        return names


class Hit(BaseModel):
    """One result, as plain text."""

    title: str
    snippet: str
    link: str
    site: str


@tool(
    examples=[
        "search the web for cheap flights to lisbon",
        "search for the history of the silk road",
        "look up the population of norway",
        "give me a brief introduction to the eiffel tower",
        "tell me about marie curie",
        "who invented the telephone",
        "who is the president of france",
        "what is photosynthesis",
        "find out how tall mount everest is",
        "google the opening hours of the louvre",
        "what is the latest news about space travel",
        "find information on electric cars",
        "搜索一下人工智能的最新消息",
        "帮我查一下长城的历史",
        "介绍一下故宫",
    ],
    side_effect="none",
    timeout_s=30,
    settings=Settings,
    lead_in="Let me look that up.",
)
def web_search(
    query: Annotated[str, "What to search for, in a few words, such as 'history of the silk road'"],
    context: ToolContext,
    max_results: Annotated[int, "How many results to get, from 1 to 20"] = 5,
) -> ToolResult:
    """Searches the web for facts, people, places, news and anything else that is not known."""
    wanted = _clean(query, MAX_QUERY_CHARS)
    if not any(map(str.isalnum, wanted)):
        raise ToolError("I don't know what to search for. Say it in a few words.")
    settings: Settings = context.settings
    count = min(max(max_results, 1), MAX_RESULTS)
    hits = _hits(_ask(wanted, count, settings))[:count]
    data = {"query": wanted, "results": [hit.model_dump() for hit in hits]}
    if not hits:
        return ToolResult(text=f"I found nothing on the web about {wanted}.", data=data)
    return ToolResult(text=_speak(hits[: settings.spoken_results]), data=data)


def _ask(query: str, count: int, settings: Settings) -> Any:
    # No failure is marked transient: ddgs has already gone through several engines, and a second
    # round would only double the silence.
    try:
        return ddgs.DDGS(proxy=settings.proxy, timeout=settings.timeout_s).text(
            query,
            region=settings.region,
            safesearch=settings.safe_search,
            max_results=count,
            backend=",".join(settings.backends),
        )
    except RatelimitException:
        raise ToolError(
            "The web search is busy: too many questions were asked. Try again in a few minutes."
        ) from None
    except TimeoutException:
        raise ToolError("I could not reach the web: it took too long to answer.") from None
    except DDGSException as error:
        return _nothing_or_raise(error)
    except ValueError:  # an invalid proxy
        raise ToolError(
            "I could not reach the web: the settings of the search are wrong."
        ) from None


def _nothing_or_raise(error: DDGSException) -> list[Any]:
    """ddgs says by one exception that nothing was found, that it had no connection, and the rest.

    It wraps what the engine met last: for a failed request a DDGSException again, caused by its
    HTTP client, else whatever broke while a page was read. Nothing found is a bare sentence.
    """
    met = error.args[0] if error.args else ""
    if isinstance(met, DDGSException):
        raise ToolError("I could not reach the web. There may be no internet connection.") from None
    if isinstance(met, Exception):
        raise ToolError("The web search gave an answer that I could not read.") from None
    return []


def _hits(rows: Any) -> list[Hit]:
    """The rows that are results, each once, as plain text."""
    hits: list[Hit] = []
    seen: set[str] = set()
    for row in rows if isinstance(rows, list) else ():
        hit = _hit(row) if isinstance(row, dict) else None
        if hit is None:
            continue
        marks = {_page(hit.link), (hit.snippet or hit.title).casefold()}
        if not marks & seen:
            hits.append(hit)
        seen |= marks
    return hits


def _hit(row: dict[Any, Any]) -> Hit | None:
    title = _clean(row.get("title"), MAX_TITLE_CHARS)
    snippet = _clean(row.get("body"), MAX_SNIPPET_CHARS)
    link = str(row.get("href") or "")
    site = _site(link)
    if not site or not (title or snippet):
        return None
    return Hit(title=title, snippet=snippet, link=link, site=site)


def _site(link: str) -> str:
    """The name of the site as people say it: `wikipedia.org`. Empty for no web address."""
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").lower()
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.-]{1,253}", host):
        return ""
    labels = host.split(".")
    while len(labels) > 2 and (labels[0] == "www" or len(labels[0]) <= 2):  # en., m., zh.
        labels.pop(0)
    return ".".join(labels)


def _page(link: str) -> str:
    """The same for addresses of the same page."""
    parts = urlsplit(link)
    host = (parts.hostname or "").removeprefix("www.")
    return f"{host}{parts.path.rstrip('/')}?{parts.query}"


def _clean(text: Any, limit: int) -> str:
    """Text of a page without markup and invisible characters, at most `limit` characters."""
    if not isinstance(text, str):
        return ""
    text = html.unescape(text[:MAX_RAW_CHARS])
    text = _TAG.sub(" ", _HIDDEN.sub(" ", text))
    visible = (c if c in _JOINERS or unicodedata.category(c)[0] != "C" else " " for c in text)
    return _cut(" ".join("".join(visible).split()), limit)


def _cut(text: str, limit: int) -> str:
    """Returns whole sentences within `limit`, or whole words if the first sentence is longer."""
    if len(text) <= limit:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, limit)]
    if ends and ends[-1] > limit // 3:
        return text[: ends[-1]]
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def _speak(hits: list[Hit]) -> str:
    return " ".join(f"From {hit.site}: {_sentence(hit.snippet or hit.title)}" for hit in hits)


def _sentence(text: str) -> str:
    words = " ".join(_UNSPEAKABLE.sub(" ", _LINK.sub(r"\1", text)).split())
    words = _cut(words, MAX_SPOKEN_CHARS).rstrip(" …-,;:")
    return words if words.endswith((".", "!", "?", "。", "！", "？")) else f"{words}."
