"""Servers with a scripted engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from assistant import Assistant
from assistant.config import Settings
from assistant.engines.base import Engine
from assistant.plugins import Tool
from assistant.server import create_app
from assistant.testing import ScriptedEngine
from tests.support.serving import Hold, Running, Serve, running


@pytest.fixture
def serve(settings: Settings) -> Iterator[Serve]:
    """`serve(engine, *tools, server={...}, key=...)`: settings of the server table, and the key
    that the client shows.
    """
    with ExitStack() as stack:

        def start(
            engine: Engine | None = None,
            *tools: Tool,
            server: dict[str, Any] | None = None,
            key: str = "",
            options: dict[str, Any] | None = None,
            **changes: Any,
        ) -> Running:
            values = {**settings.model_dump(), **changes, "server": server or {}}
            made = Assistant(
                Settings.model_validate(values),
                engine=engine or ScriptedEngine(["Hello."]),
                tools=tools,
            )
            server_running = stack.enter_context(
                running(create_app(assistant=made), **(options or {}))
            )
            if key:
                server_running.client.headers["Authorization"] = f"Bearer {key}"
            return server_running

        yield start


@pytest.fixture
def hold() -> Iterator[Hold]:
    made = Hold()
    yield made
    made.let_go.set()
