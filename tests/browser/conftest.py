"""One browser for all tests of the page; servers with the embedded engine, or with a script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from assistant import Assistant
from assistant.config import Settings
from assistant.engines.base import Engine
from assistant.plugins import Tool
from assistant.server import create_app
from tests.support import chromium
from tests.support.chromium import Opened, Start, WebPage
from tests.support.serving import Hold, Running, running


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebPage]:
    missing = chromium.missing()
    if missing:
        pytest.skip(f"{missing}: apt-get install chromium chromium-driver")
    microphone = tmp_path_factory.mktemp("microphone") / "heard.wav"
    chromium.write_microphone(microphone, 1.0)
    with chromium.chromium(microphone) as made:
        yield made


def settings_in(folder: Path, live: dict[str, Any] | None = None, **server: Any) -> Settings:
    values = {
        "library": {"folder": folder / "voices"},
        "live": live or {},
        "server": {"sessions": {"file": folder / "sessions.sqlite3"}, **server},
    }
    return Settings.model_validate(values)


@pytest.fixture(scope="module")
def embedded(browser: WebPage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with the default settings. It is not started if there is no browser.

    It stops soon after its last visitor, even if the browser keeps connections open.
    """
    settings = settings_in(tmp_path_factory.mktemp("server"))
    app = create_app(assistant=Assistant(settings))
    with running(app, timeout_graceful_shutdown=10) as made:
        yield made


@pytest.fixture
def fresh(browser: WebPage) -> Iterator[WebPage]:
    """A browser without a page; the test fails if the page logs an error."""
    browser.complaints()
    yield browser
    complaints = browser.complaints()
    browser.leave()
    assert complaints == []


@pytest.fixture
def page(fresh: WebPage, embedded: Running) -> WebPage:
    """The page of the embedded engine's server, connected."""
    return fresh.open(embedded.port).wait_connected()


@pytest.fixture
def start(browser: WebPage, tmp_path: Path) -> Iterator[Start]:
    """`start(engine, *tools, live=..., keys=...)`: a server with these settings."""
    with ExitStack() as stack:

        def started(engine: Engine, *tools: Tool, **changes: Any) -> Running:
            settings = settings_in(tmp_path, **changes)
            made = Assistant(settings, engine=engine, tools=tools)
            return stack.enter_context(running(create_app(assistant=made)))

        yield started


@pytest.fixture
def opened(start: Start, fresh: WebPage) -> Opened:
    """`opened(engine, *tools)`: the page of such a server, connected."""

    def open_page(engine: Engine, *tools: Tool, **changes: Any) -> WebPage:
        return fresh.open(start(engine, *tools, **changes).port).wait_connected()

    return open_page


@pytest.fixture
def hold() -> Iterator[Hold]:
    made = Hold()
    yield made
    made.let_go.set()
