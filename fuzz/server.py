"""A server in this process, without sockets and network: requests go to its ASGI app."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from assistant import Assistant
from assistant.audio.samples import Pcm16
from assistant.config import Settings
from assistant.engines.base import Engine, EngineRequest
from assistant.server import create_app
from assistant.server.state import ServerState
from assistant.testing import ScriptedEngine
from fuzz.guard import HANG_S
from fuzz.target import FindingError

Headers = Iterable[tuple[bytes, bytes]]
_QUIET_ROUNDS, _MOST_ROUNDS = 60, 3_000
_HOST = (b"host", b"127.0.0.1:8000")


class Defects(logging.Handler):
    """Collects what the server logs as an error, and exceptions that nobody awaits."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._seen.append(logging.Formatter().format(record))

    def on_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._seen.append(f"{context.get('message')}: {context.get('exception')!r}")

    def check(self) -> None:
        """Raises FindingError if there was one since the last check."""
        seen, self._seen = self._seen, []
        if seen:
            raise FindingError("logged: " + "\n".join(seen)[-2_000:])


class InProcess:
    """A server that runs while one of its requests does."""

    def __init__(self, folder: Path, engine: Engine | None) -> None:
        self._loop = asyncio.new_event_loop()
        self.defects = Defects()
        self._loop.set_exception_handler(self.defects.on_loop)
        self.app = create_app(assistant=_assistant(folder, engine), speech_detector=LevelDetector)
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        logging.getLogger().addHandler(self.defects)
        self._life = self._loop.create_task(self._live())
        self._loop.run_until_complete(self._wait_ready())

    @property
    def state(self) -> ServerState:
        state: ServerState = self.app.state.server
        return state

    def close(self) -> None:
        self._stop.set()
        self._loop.run_until_complete(self._life)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        logging.getLogger().removeHandler(self.defects)

    def post(self, path: str, body: bytes, headers: Headers) -> int:
        """Returns the status. Raises FindingError if it is 500 or more, or a defect is logged."""
        return self._loop.run_until_complete(self._within(self._post(path, body, headers)))

    def talk(self, path: str, query: str, texts: Iterable[str]) -> list[str]:
        """Sends the texts over a WebSocket; returns those that came back."""
        return self._loop.run_until_complete(self._within(self._talk(path, query, list(texts))))

    async def _live(self) -> None:
        async with self.app.router.lifespan_context(self.app):
            self._ready.set()
            await self._stop.wait()

    async def _wait_ready(self) -> None:
        ready = self._loop.create_task(self._ready.wait())
        await asyncio.wait({ready, self._life}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._life

    async def _within(self, work: Awaitable[Any]) -> Any:
        with anyio.fail_after(HANG_S):
            result = await work
        for _ in range(_MOST_ROUNDS):
            if not (self.state.turn_queue.running or self.state.sockets.open):
                break
            await asyncio.sleep(0)
        else:
            raise FindingError("a turn or a socket was left behind")
        self.defects.check()
        return result

    async def _post(self, path: str, body: bytes, headers: Headers) -> int:
        half = len(body) // 2
        messages = [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            await asyncio.Event().wait()  # the client stays until its response is complete
            raise AssertionError

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await self.app(_scope("http", path, headers, method="POST"), receive, send)
        if statuses[0] >= 500:
            raise FindingError(f"the status is {statuses[0]}")
        return statuses[0]

    async def _talk(self, path: str, query: str, texts: list[str]) -> list[str]:
        client = _Client(texts)
        scope = _scope("websocket", path, (), subprotocols=[], query_string=query.encode())
        await self.app(scope, client.receive, client.send)
        return client.received


class _Client:
    """Sends its texts one after the other, waits until nothing comes back, and leaves."""

    def __init__(self, texts: list[str]) -> None:
        self.received: list[str] = []
        self._waiting: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        self._waiting += [{"type": "websocket.receive", "text": text} for text in texts]
        self._closed = False

    async def receive(self) -> dict[str, Any]:
        if self._waiting and not self._closed:
            return self._waiting.pop(0)
        await self._quiet()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            self.received.append(message.get("text") or "")
        self._closed = self._closed or message["type"] == "websocket.close"

    async def _quiet(self) -> None:
        seen, rounds = -1, 0
        for _ in range(_MOST_ROUNDS):
            rounds = rounds + 1 if seen == len(self.received) else 0
            seen = len(self.received)
            if self._closed or rounds > _QUIET_ROUNDS:
                return
            await asyncio.sleep(0)


class LevelDetector:
    """A detector of speech that costs nothing: loud is speech."""

    def __call__(self, samples: Pcm16) -> float:
        return 1.0 if int(np.abs(samples.astype(np.int32)).max()) > 1_000 else 0.0

    def reset(self) -> None:
        """Has no state."""


@contextmanager
def server(engine: Engine | None = None) -> Iterator[InProcess]:
    """Opens a server with the embedded engine, or another one.

    It has no tools of its own, and takes no URLs of audio.
    """
    with tempfile.TemporaryDirectory() as name:
        running = InProcess(Path(name), engine)
        try:
            yield running
        finally:
            running.close()


def _assistant(folder: Path, engine: Engine | None) -> Assistant:
    values: dict[str, Any] = {
        "library": {"folder": folder / "voices"},
        "plugins": {"allow": (), "entry_points": False},
        "live": {"lead_ins": False},
        "max_audio_s": 5,
        "server": {
            "insecure": True,
            "twilio": {"greeting": "", "farewell": "", "apology": ""},
            "sessions": {"file": folder / "sessions.sqlite3"},
            "sockets": {"max_bytes_per_s": 2**40, "resume_s": 0},
            "limits": {"max_audio_urls": 0, "min_free_bytes": 0},
        },
    }
    return Assistant(Settings.model_validate(values), engine=engine)


def scripted() -> ScriptedEngine:
    """Returns an engine that calls a tool of the request first, if it has one."""
    return ScriptedEngine(_step)


def _step(request: EngineRequest) -> list[str]:
    """Calls the first tool of the request, if it has one and no result stands at the end."""
    if request.tools and getattr(request.messages[-1], "role", "") != "tool":
        return [f"Wait. <tool_call>function\n{request.tools[0].name}\n{{}}</tool_call>"]
    return ["Yes, ", "of course."]


def _scope(kind: str, path: str, headers: Headers, **values: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
        "headers": [_HOST, *headers],
        **values,
    }
