"""The bundled tools, called as a model calls them, and a loopback server for their requests."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import pytest

from assistant.config import Settings, bundled
from assistant.messages import ToolCall
from assistant.plugins import Caller, Dispatcher, ToolOutcome, load_tools


class Desk:
    """Calls one of the bundled tools through the dispatch."""

    def __init__(self, name: str, **table: Any) -> None:
        settings = Settings.model_validate(
            {"plugins": {"entry_points": False}, "tools": {name: table}}
        )
        file = bundled("tools") / f"{name}.py"
        report = load_tools(settings, extra_folders=[file], bundled=False)
        assert not report.problems
        self.registry = report.registry
        (self.tool,) = self.registry

    @property
    def module(self) -> ModuleType:
        return sys.modules[self.tool.function.__module__]

    def __call__(self, *, language: str = "", **arguments: Any) -> ToolOutcome:
        return self.together([arguments], language=language)[0]

    def together(self, calls: list[dict[str, Any]], *, language: str = "") -> list[ToolOutcome]:
        return anyio.run(self._run, calls, language)

    async def _run(self, calls: list[dict[str, Any]], language: str) -> list[ToolOutcome]:
        dispatcher = Dispatcher(self.registry, sleep=lambda seconds: anyio.lowlevel.checkpoint())
        caller = Caller("session", "turn", language=language)
        outcomes: list[ToolOutcome] = []
        async with anyio.create_task_group() as group:
            for number, arguments in enumerate(calls):
                call = ToolCall(str(number), self.tool.name, json.dumps(arguments))
                group.start_soon(dispatcher.run, call, caller, outcomes.append)
        return sorted(outcomes, key=lambda outcome: int(outcome.call.id))


Reply = dict[str, Any]
"""`body` (text or bytes), `status`, `headers`, `wait` (an event: answers once it is set)."""


class Loopback:
    """An HTTP server on this machine: `routes` has the response of each path."""

    def __init__(self) -> None:
        self.routes: dict[str, Reply | Callable[[dict[str, str]], Reply]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                loopback.answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        query = dict(parse_qsl(parts.query))
        self.asked.append((parts.path, query))
        route = self.routes.get(parts.path, {"status": 404})
        reply = route(query) if callable(route) else route
        if wait := reply.get("wait"):
            wait.wait(30)
        body = reply.get("body", b"")
        body = body.encode() if isinstance(body, str) else body
        headers = {"Content-Length": str(len(body)), **reply.get("headers", {})}
        try:
            handler.send_response(reply.get("status", 200))
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
        except ConnectionError:  # the caller timed out
            pass

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="session")
def desk_for() -> type[Desk]:
    """`desk_for("weather", cache_s=0)`: a freshly loaded tool with a settings table."""
    return Desk


@pytest.fixture(scope="session")
def closed_port() -> str:
    """An address on which no server listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()
