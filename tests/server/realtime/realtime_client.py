"""A client of /v1/realtime over a real socket, which checks every event against OpenAI's types."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from assistant.audio.g711 import A_LAW, MU_LAW
from tests.support.serving import Running

Event = dict[str, Any]
EXAMPLES = Path(__file__).parents[3] / "examples"
TIMEOUT_S = 30
_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
_CODECS = {"audio/pcmu": MU_LAW, "audio/pcma": A_LAW}

TOKYO = "what_time_is_it_in_tokyo.wav"
DICE = "roll_a_dice.wav"


def check(event: Event) -> Event:
    """Fails if OpenAI's own clients could not read the event. Events of the extensions pass."""
    if not event["type"].startswith("assistant."):
        read = _EVENTS.validate_python(event)
        assert read.type == event["type"]
        assert read.event_id
    return event


@lru_cache
def speech(name: str = TOKYO, form: str = "audio/pcm", silence_s: float = 1.5) -> bytes:
    """A recorded question and the silence after it, as it is sent."""
    samples, rate = soundfile.read(EXAMPLES / name, dtype="float32")
    wanted = 24_000 if form == "audio/pcm" else 8_000
    samples = soxr.resample(samples, rate, wanted)
    samples = np.concatenate([samples, np.zeros(int(silence_s * wanted), np.float32)])
    pcm = (samples * 32767).astype(np.int16)
    return _CODECS[form].encode(pcm) if form in _CODECS else pcm.astype("<i2").tobytes()


class Caller:
    """`seen`: every event so far."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[Event] = []

    def send(self, kind: str, **values: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **values}))

    def next(self) -> Event:
        text = self.socket.recv(timeout=TIMEOUT_S)
        assert isinstance(text, str)
        assert len(text) < 2**20
        event = check(json.loads(text))
        self.seen.append(event)
        return event

    def until(self, kind: str) -> Event:
        """Returns the next event of that type; an unexpected error is a failure."""
        while (event := self.next())["type"] != kind:
            assert event["type"] != "error" or kind == "error", event
        return event

    def after(self, kind: str, what: str, **values: Any) -> Event:
        """Sends `kind`, and waits for `what`."""
        self.send(kind, **values)
        return self.until(what)

    def refused(self, kind: str, **values: Any) -> Event:
        """Returns the error that is the answer."""
        return dict(self.after(kind, "error", event_id="mine", **values)["error"])

    def update(self, **session: Any) -> Event:
        values = {"type": "realtime", **session}
        return dict(self.after("session.update", "session.updated", session=values)["session"])

    def listen(self, **audio_in: Any) -> Event:
        """Sets the configuration of the input audio."""
        return self.update(audio={"input": audio_in})

    def speak(self, data: bytes | None = None, piece_bytes: int = 4_800) -> None:
        data = speech() if data is None else data
        for at in range(0, len(data), piece_bytes):
            piece = base64.b64encode(data[at : at + piece_bytes]).decode()
            self.send("input_audio_buffer.append", audio=piece)

    def say(self, text: str, **values: Any) -> str:
        """Sends a typed message; returns the id of its item."""
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        return str(self.create(item, **values)["id"])

    def create(self, item: Event, **values: Any) -> Event:
        self.send("conversation.item.create", item=item, **values)
        return dict(self.until("conversation.item.done")["item"])

    def respond(self, **response: Any) -> Event:
        """The response, when it is done."""
        self.send("response.create", response=response)
        return dict(self.until("response.done")["response"])

    def until_quiet(self) -> None:
        """Waits until everything sent is processed and no response is open. Errors are fine."""
        self.send("conversation.item.retrieve", item_id="none", event_id="quiet")
        while (error := self.next().get("error", {})).get("event_id") != "quiet":
            assert error.get("type") != "server_error", error
        while len(self.all("response.created")) > len(self.all("response.done")):
            self.next()

    def closed(self) -> tuple[int, str]:
        """The code and the reason, once the connection is closed."""
        try:
            while True:
                self.next()
        except ConnectionClosed as error:
            end = error.rcvd
        assert end is not None, "it was cut"
        return end.code, end.reason

    def types(self) -> list[str]:
        return [event["type"] for event in self.seen]

    def all(self, kind: str) -> list[Event]:
        return [event for event in self.seen if event["type"] == kind]

    def pcm(self, response_id: str | None = None) -> bytes:
        deltas = self.all("response.output_audio.delta")
        return b"".join(
            base64.b64decode(event["delta"])
            for event in deltas
            if response_id in (None, event["response_id"])
        )

    def text_of(self, response: Event) -> str:
        """Returns the text or transcript of the response."""
        parts = [part for item in response["output"] for part in item.get("content", ())]
        return " ".join(part.get("transcript") or part.get("text", "") for part in parts)


@contextmanager
def calling(
    server: Running, query: str = "model=m", *, key: str = "", protocols: Any = None
) -> Iterator[Caller]:
    """Opens a connection and waits for session.created."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"ws://127.0.0.1:{server.port}/v1/realtime?{query}"
    with connect(url, additional_headers=headers, subprotocols=protocols, max_size=2**20) as socket:
        caller = Caller(socket)
        assert caller.next()["type"] == "session.created"
        yield caller
