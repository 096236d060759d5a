"""A caller as Twilio connects it to the server: webhook first, then the socket."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from assistant.audio.decode import read_audio
from assistant.audio.g711 import MU_LAW
from assistant.audio.samples import Pcm16
from assistant.engines.base import EngineRequest
from assistant.server.twilio.signature import HEADER, sign
from assistant.testing import ScriptedEngine
from tests.support.serving import Running

EXAMPLES = Path(__file__).parents[3] / "examples"
ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "1" * 32
STREAM = "MZ" + "2" * 32
FRAME = 160
_NUMBERS = itertools.count(1)


def question(name: str) -> Pcm16:
    """A recording of examples/, 8 kHz."""
    return read_audio(EXAMPLES / f"{name}.wav", max_seconds=60).resampled(8_000).to_pcm16()


def silence(seconds: float) -> Pcm16:
    return np.zeros(int(seconds * 8_000), np.int16)


class Caller:
    """A caller that sends and receives. Audio is played at once, however fast it comes."""

    def __init__(self, socket: ClientConnection, *, echoes: bool = True) -> None:
        self.messages: list[dict[str, Any]] = []
        self.echoes = echoes
        self.closed: tuple[int, str] | None = None
        self._socket = socket
        self._changed = anyio.Event()
        self._chunk = 0

    async def send(self, event: str, **values: Any) -> None:
        await self._socket.send(json.dumps({"event": event, "streamSid": STREAM, **values}))

    async def send_raw(self, text: str | bytes) -> None:
        with suppress(ConnectionClosed):  # in the middle of a message that is refused
            await self._socket.send(text)

    async def start(self, token: str = "", **changes: Any) -> None:
        await self._socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        details = {
            "streamSid": STREAM,
            "accountSid": ACCOUNT,
            "callSid": CALL,
            "tracks": ["inbound"],
            "customParameters": {"token": token},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        await self.send("start", sequenceNumber="1", start={**details, **changes})

    async def speak(self, samples: Pcm16) -> None:
        """Sends frames of 20 ms, as fast as the server takes them."""
        data = MU_LAW.encode(samples)
        for at in range(0, len(data) - FRAME + 1, FRAME):
            await self.frame(data[at : at + FRAME])

    async def frame(self, data: bytes, chunk: int | None = None) -> None:
        self._chunk = self._chunk + 1 if chunk is None else chunk
        media = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(self._chunk * 20),
            "payload": base64.b64encode(data).decode(),
        }
        await self.send("media", sequenceNumber=str(self._chunk + 1), media=media)

    async def press(self, keys: str) -> None:
        for key in keys:
            await self.send("dtmf", dtmf={"track": "inbound_track", "digit": key})

    async def hang_up(self) -> None:
        await self.send("stop", stop={"accountSid": ACCOUNT, "callSid": CALL})

    def lose(self) -> None:
        """The connection breaks off."""
        self._socket.transport.abort()

    async def read(self) -> None:
        """Reads messages until the socket is closed."""
        try:
            async for text in self._socket:
                message = json.loads(text)
                self.messages.append(message)
                if message["event"] == "mark" and self.echoes:
                    await self.send("mark", mark=message["mark"])
                self._notify()
        except ConnectionClosed:
            pass
        self.closed = (self._socket.close_code or 0, self._socket.close_reason or "")
        self._notify()

    async def until(self, reached: Callable[[], Any]) -> None:
        """Returns once the condition holds; it is checked after each message."""
        with anyio.fail_after(20):
            while not reached():
                await self._changed.wait()

    async def until_closed(self) -> tuple[int, str]:
        await self.until(lambda: self.closed)
        assert self.closed is not None
        return self.closed

    def received(self, first: int = 0) -> bytes:
        """Returns the mu-law audio of the messages from `first` on."""
        return b"".join(
            base64.b64decode(message["media"]["payload"])
            for message in self.messages[first:]
            if message["event"] == "media"
        )

    def received_s(self, first: int = 0) -> float:
        return len(self.received(first)) / 8_000

    def count(self, event: str) -> int:
        return sum(message["event"] == event for message in self.messages)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def loudness(pcm: bytes) -> float:
    """Returns the RMS of mu-law audio, as a part of full scale."""
    samples = MU_LAW.decode(pcm).astype(np.float64)
    return float(np.sqrt(np.mean(np.square(samples)))) / 32_768


def new_call_sid() -> str:
    """Returns the id of a call that has not been announced yet."""
    return f"CA{next(_NUMBERS):032x}"


def announce(server: Running, token: str = "", public: str = "", **fields: str) -> str:
    """Asks the webhook about a call; returns the token of its response."""
    form = {
        "CallSid": CALL,
        "AccountSid": ACCOUNT,
        "From": "+15550100",
        "To": "+15550101",
        **fields,
    }
    headers = {}
    if token:
        headers[HEADER] = sign(token, f"{public}/twilio/voice", list(form.items()))
    answer = server.client.post("/twilio/voice", data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    parameter = ElementTree.fromstring(answer.content).find("Connect/Stream/Parameter")
    assert parameter is not None, answer.text
    return parameter.attrib["value"]


@asynccontextmanager
async def connected(
    server: Running, *, headers: dict[str, str] | None = None, echoes: bool = True
) -> AsyncIterator[Caller]:
    """A socket on which no call has started yet."""
    url = f"ws://127.0.0.1:{server.port}/twilio/media"
    async with (
        connect(url, additional_headers=headers, compression=None, proxy=None) as socket,
        anyio.create_task_group() as tasks,
    ):
        caller = Caller(socket, echoes=echoes)
        tasks.start_soon(caller.read)
        yield caller
        await socket.close()


@asynccontextmanager
async def calling(server: Running, *, echoes: bool = True) -> AsyncIterator[Caller]:
    """A call that has begun, to a server without an auth token."""
    call_sid = new_call_sid()
    token = await anyio.to_thread.run_sync(partial(announce, server, CallSid=call_sid))
    async with connected(server, echoes=echoes) as caller:
        await caller.start(token, callSid=call_sid)
        yield caller


def answering(*steps: list[Any]) -> ScriptedEngine:
    """Returns a script for the turns of a call; phrases are read aloud, and are not turns."""

    def step_of(acts: list[Any]) -> Callable[[EngineRequest], list[Any]]:
        def step(request: EngineRequest) -> list[Any]:
            if request.task == "read":
                return [request.messages[-1].text]  # type: ignore[union-attr]
            return acts

        return step

    return ScriptedEngine(*(step_of(acts) for acts in steps))


def turns(engine: ScriptedEngine) -> list[EngineRequest]:
    """Returns the engine's requests for turns of calls."""
    return [request for request in engine.requests if request.task == "answer"]
