"""What the server itself costs a caller, with an engine that takes no time.

    python benchmarks/server.py [--seconds 3] [--engine embedded]

Prints JSON, milliseconds. Each caller asks for speech again and again, over one connection, and
waits for the first byte of audio; the server runs in a process of its own. `at_once`: without a
pause, so that a caller also waits for all others; `paced`: a second after the turn before. `bare`
is the obvious alternative in the same run: the same bytes from a plain Starlette route, with no
session, queue, keys or limits; what lies between the two is the server's own share. `history` is a
chat turn after that many messages. What bounds it: one Python process, so one core; beyond
`max_turns` and `max_waiting` a caller is refused with 429.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import socket
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from assistant import Assistant, Settings
from assistant.config import LibrarySettings, ServerSettings
from assistant.engines import create_engine
from assistant.server import create_app
from assistant.testing import ScriptedEngine
from assistant.testing.scripted import speech_of

TEXT = "All is well."
CALLERS = (1, 8, 32, 128)
PAUSE_S = 1.0
HISTORY = (1, 10, 100)


def serve(kind: str, engine: str, ready: Connection) -> None:
    """Runs in a process of its own."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    app = bare_app() if kind == "bare" else assistant_app(engine)
    ready.send(listener.getsockname()[1])
    config = uvicorn.Config(app, log_config=None)
    uvicorn.Server(config).run([listener])


def assistant_app(engine: str) -> Any:
    folder = Path(tempfile.mkdtemp())
    sessions = {"file": folder / "sessions.sqlite3"}
    settings = Settings(
        library=LibrarySettings(folder=folder),
        server=ServerSettings.model_validate({"sessions": sessions}),
    )
    made = ScriptedEngine([TEXT]) if engine == "scripted" else create_engine(settings)
    return create_app(assistant=Assistant(settings, engine=made))


def bare_app() -> Starlette:
    async def speech(request: Request) -> StreamingResponse:
        text = (await request.json())["input"]

        async def pieces() -> Any:
            yield speech_of(text).samples.tobytes()

        return StreamingResponse(pieces(), media_type="audio/pcm")

    return Starlette(routes=[Route("/v1/audio/speech", speech, methods=["POST"])])


class Caller:
    """One connection, and no more of HTTP than is needed: a full client would cost too much."""

    def __init__(self, port: int, path: str, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._request = f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
        self._port = port

    async def run(self, until: float, report: Any, *, first: float = 0.0, pause: float = 0) -> None:
        """Asks until then; `first`: how long it waits before it begins, `pause`: after a turn."""
        async with await anyio.connect_tcp("127.0.0.1", self._port) as stream:
            await anyio.sleep(first)
            while time.perf_counter() < until:
                start = time.perf_counter()
                await stream.send(self._request)
                status, first = await self._read(stream, start)
                report(status, first)
                await anyio.sleep(pause)

    async def _read(self, stream: Any, start: float) -> tuple[int, float]:
        data = await stream.receive(65_536)
        while not data.partition(b"\r\n\r\n")[2]:
            data += await stream.receive(65_536)
        first = time.perf_counter() - start
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((f for f in head.lower().split(b"\r\n") if f.startswith(b"content-len")), b"")
        if length:
            missing = int(length.split(b":")[1]) - len(body)
            while missing > 0:
                missing -= len(await stream.receive(65_536))
        else:
            while not body.endswith(b"0\r\n\r\n"):
                body = body[-5:] + await stream.receive(65_536)
        return int(head.split(b" ")[1]), first


async def measure(
    port: int, callers: int, seconds: float, path: str, body: dict[str, Any], pause: float = 0.0
) -> dict[str, Any]:
    firsts: list[float] = []
    statuses: dict[int, int] = {}
    lost = 0

    def report(status: int, first: float) -> None:
        statuses[status] = statuses.get(status, 0) + 1
        if status == 200:
            firsts.append(first * 1e3)

    async def run(until: float, first: float) -> None:
        nonlocal lost
        try:
            await Caller(port, path, body).run(until, report, first=first, pause=pause)
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
            lost += 1

    await Caller(port, path, body).run(time.perf_counter() + 0.3, lambda *_: None)  # warm
    start = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for number in range(callers):
            tasks.start_soon(run, start + seconds, pause * number / callers)
    elapsed = time.perf_counter() - start
    firsts.sort()
    return {
        "callers": callers,
        "turns_per_s": round(len(firsts) / elapsed, 1),
        "first_byte_p50_ms": round(statistics.median(firsts), 2) if firsts else None,
        "first_byte_p99_ms": round(firsts[int(len(firsts) * 0.99)], 2) if firsts else None,
        "refused_429": statuses.get(429, 0),
        "errors": sum(n for code, n in statuses.items() if code not in (200, 429)) + lost,
    }


async def against(kind: str, engine: str, seconds: float) -> Any:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(kind, engine, there), daemon=True)
    process.start()
    port = await anyio.to_thread.run_sync(here.recv)
    speech = {"input": TEXT, "response_format": "pcm"}
    try:
        if kind == "history":
            return [
                {"messages": count, **await measure(port, 1, seconds, *chat(count))}
                for count in HISTORY
            ]
        asked = ("/v1/audio/speech", speech)
        return {
            "at_once": [await measure(port, n, seconds, *asked) for n in CALLERS],
            "paced": [await measure(port, n, seconds, *asked, pause=PAUSE_S) for n in CALLERS],
        }
    finally:
        process.terminate()
        process.join()


def chat(count: int) -> tuple[str, dict[str, Any]]:
    roles = ["user" if at % 2 == 0 else "assistant" for at in range(count - 1)]
    earlier = [{"role": role, "content": f"Line {at}."} for at, role in enumerate(roles)]
    return "/v1/chat/completions", {"messages": [*earlier, {"role": "user", "content": "Hi."}]}


async def main(seconds: float, engine: str) -> dict[str, Any]:
    results = {kind: await against(kind, engine, seconds) for kind in ("server", "bare", "history")}
    own = {
        how: [
            {
                "callers": mine["callers"],
                "first_byte_p50_ms": round(
                    mine["first_byte_p50_ms"] - theirs["first_byte_p50_ms"], 2
                ),
            }
            for mine, theirs in zip(results["server"][how], results["bare"][how], strict=True)
        ]
        for how in ("at_once", "paced")
    }
    return {"engine": engine, **results, "own_share": own}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    parser.add_argument("--engine", choices=["scripted", "embedded"], default="scripted")
    given = parser.parse_args()
    print(json.dumps(anyio.run(main, given.seconds, given.engine), indent=1))
