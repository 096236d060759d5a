"""A server with its default settings, for clients of other projects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant import Assistant
from assistant.config import Settings
from assistant.server import create_app
from tests.support.client_calls import complaints
from tests.support.serving import Running, running


@pytest.fixture
def server(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    """Fails the test if the server or the client logged a warning, or a socket stayed open."""
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with running(create_app(assistant=Assistant(settings))) as made:
        yield made
        sockets = made.app.state.server.sockets
    assert sockets.open == 0
    assert complaints(caplog.get_records("call")) == []
