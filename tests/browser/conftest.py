"""One browser for all tests of the page, and one server with the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from chromium import WebPage
from serving import Running, running

from assistant import Assistant
from assistant.config import LibrarySettings, ServerSettings, SessionSettings, Settings
from assistant.server import create_app

EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTION = EXAMPLES / "what_time_is_it_in_tokyo.wav"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebPage]:
    missing = chromium.missing()
    if missing:
        pytest.skip(f"{missing}: apt-get install chromium chromium-driver")
    microphone = tmp_path_factory.mktemp("microphone") / "heard.wav"
    chromium.write_microphone(microphone, 1.0)
    with chromium.chromium(microphone) as made:
        yield made


@pytest.fixture(scope="session")
def embedded(browser: WebPage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As it comes out of the box. Not started where there is no browser to ask it."""
    folder = tmp_path_factory.mktemp("server")
    settings = Settings(
        library=LibrarySettings(folder=folder / "voices"),
        server=ServerSettings(sessions=SessionSettings(file=folder / "sessions.sqlite3")),
    )
    with running(create_app(assistant=Assistant(settings))) as made:
        yield made


@pytest.fixture
def page(browser: WebPage, embedded: Running) -> Iterator[WebPage]:
    """The page of that server, connected. Whatever the browser complains of fails the test."""
    browser.complaints()
    browser.open(f"http://localhost:{embedded.port}/")
    browser.wait_for("#connection[data-state=open]")
    yield browser
    assert browser.complaints() == []
