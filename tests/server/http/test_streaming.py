"""A client disconnects in the middle of each kind of response: its turn ends."""

from __future__ import annotations

import socket
import threading
from typing import Any

import anyio
import pytest

from assistant.testing import ScriptedEngine
from tests.support.serving import Running, Serve


class Endless:
    """A step of a script that never ends by itself, and records when it was stopped."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.stopped = threading.Event()

    async def __call__(self) -> None:
        self.reached.set()
        try:
            await anyio.Event().wait()
        finally:
            self.stopped.set()


def post(server: Running, path: str, body: str) -> socket.socket:
    """A request on a bare socket, which a test can drop at any time."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


CHAT = '"messages": [{"role": "user", "content": "hi"}]'
REQUESTS = {
    "chat, whole": ("/v1/chat/completions", f"{{{CHAT}}}"),
    "chat, streamed": ("/v1/chat/completions", f'{{{CHAT}, "stream": true}}'),
    "speech, whole": ("/v1/audio/speech", '{"input": "hi", "response_format": "wav"}'),
    "speech, streamed": ("/v1/audio/speech", '{"input": "hi", "response_format": "pcm"}'),
    "speech, events": ("/v1/audio/speech", '{"input": "hi", "stream_format": "sse"}'),
    "generate, whole": ("/generate", '{"text": "hi"}'),
    "generate, streamed": ("/generate", '{"text": "hi", "streaming": true}'),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("before", [[], ["Well, "]], ids=["before any output", "after some"])
def test_the_turn_of_a_client_that_disconnects_is_stopped(
    serve: Serve, kind: str, before: list[Any]
) -> None:
    endless = Endless()
    server = serve(ScriptedEngine([*before, endless]))
    connection = post(server, *REQUESTS[kind])
    assert endless.reached.wait(20)
    connection.close()
    assert endless.stopped.wait(20)
    assert server.client.get("/health").status_code == 200


def test_a_client_that_disconnects_does_not_affect_another_one(serve: Serve) -> None:
    endless = Endless()

    def step(request: Any) -> list[Any]:
        return [endless] if request.messages[-1].text == "hi" else ["Hello."]

    server = serve(ScriptedEngine(step))
    connection = post(server, *REQUESTS["chat, streamed"])
    assert endless.reached.wait(20)
    other = {"messages": [{"role": "user", "content": "hello"}]}
    for _ in range(3):
        answer = server.client.post("/v1/chat/completions", json=other)
        assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    connection.close()
    assert endless.stopped.wait(20)
