"""Servers on a free port, and helpers to read their responses."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import soundfile
import uvicorn
from fastapi import FastAPI


@dataclass
class Hold:
    """A step of a script, or the body of a tool, that waits until the test releases it."""

    reached: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    async def __call__(self) -> None:
        self.reached.set()
        await anyio.to_thread.run_sync(self.let_go.wait, abandon_on_cancel=True)

    def wait_reached(self) -> None:
        assert self.reached.wait(20), "the script did not come here"


@dataclass
class Running:
    """A server that answers."""

    app: FastAPI
    server: uvicorn.Server
    thread: threading.Thread
    client: httpx.Client

    @property
    def port(self) -> int:
        return int(self.client.base_url.port or 0)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive(), "the server did not stop"

    def metric(self, name: str, **labels: str) -> float:
        value = self.app.state.server.metrics.registry.get_sample_value(name, labels)
        return 0.0 if value is None else float(value)


Serve = Callable[..., Running]


@contextmanager
def running(app: FastAPI, **options: Any) -> Iterator[Running]:
    # The socket listens before the server runs: a client that comes too early waits.
    # The protocol must be TCP by name, or asyncio leaves Nagle's algorithm on: 40 ms per answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_config=None, **options)
    server = uvicorn.Server(config)

    def run() -> None:
        try:
            server.run([listener])
        except SystemExit:  # it could not start, and the log says why
            listener.close()

    thread = threading.Thread(target=run)
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        made = Running(app, server, thread, client)
        try:
            yield made
        finally:
            made.stop()


PROCESS = """
import sys
import threading
from pathlib import Path
import anyio
from assistant import Assistant
from assistant.config import LibrarySettings, ServerSettings, SessionSettings, Settings
from assistant.cli.serve import _listen
from assistant.server import create_app
from assistant.server.process import Server
from assistant.testing import ScriptedEngine

folder = Path(sys.argv[1])
sessions = SessionSettings(file=folder / "s.sqlite3")
server = ServerSettings(sessions=sessions, shutdown_s=float(sys.argv[2]))
settings = Settings(library=LibrarySettings(folder=folder / "voices"), server=server)

async def until_told_to_stop():
    while app.state.server.ready:
        await anyio.sleep(0.01)

async def hang():
    await anyio.to_thread.run_sync(threading.Event().wait)

STEPS = {"wait": ["One ", until_told_to_stop, "two."], "hang": ["One ", hang, "two."]}

def step(request):
    return STEPS.get(request.messages[-1].text, ["Hi."])

app = create_app(assistant=Assistant(settings, engine=ScriptedEngine(step)))
listener = _listen("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
Server(app, server, grace_s=0.5).run_until_stopped(listener)
"""


@contextmanager
def process(
    folder: Path, *, shutdown_s: float = 20.0
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Starts the server as a process of its own, and waits until it answers."""
    arguments = [sys.executable, "-c", PROCESS, str(folder), str(shutdown_s)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            base = f"http://127.0.0.1:{int(running.stdout.readline())}"
            transport = httpx.HTTPTransport(retries=8)  # it listens once the engine is loaded
            with httpx.Client(base_url=base, transport=transport, timeout=30) as client:
                client.get("/health").raise_for_status()
                yield running, client
        finally:
            running.kill()


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a whole SSE body."""
    blocks = [block for block in text.split("\n\n") if block]
    return [json.loads(block.split("data: ", 1)[1]) for block in blocks]


def new_session(running: Running, **values: Any) -> str:
    answer = running.client.post("/v1/sessions", json=values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def wav(seconds: float = 0.5, rate: int = 16_000) -> bytes:
    """A tone as a WAV file."""
    buffer = io.BytesIO()
    tone = 0.3 * np.sin(np.arange(int(seconds * rate)) * 0.1)
    soundfile.write(buffer, tone, rate, format="WAV")
    return buffer.getvalue()
