"""Faults: engines that fail, clients that disconnect, processes that are killed."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant import tool
from assistant.engines.base import Speech
from assistant.errors import EngineError
from assistant.testing import ScriptedEngine
from tests.support.serving import Hold, Running, Serve, events_of, new_session, process
from tests.support.tool_calls import call


def ask(server: Running, session: str, text: str = "go") -> list[dict[str, Any]]:
    answer = server.client.post(f"/v1/sessions/{session}/turns", json={"text": text})
    assert answer.status_code == 200, answer.text
    return events_of(answer.text)


def history(server: Running, session: str) -> list[str]:
    data = server.client.get(f"/v1/sessions/{session}/history").json()["data"]
    return [message["text"] for message in data]


@pytest.mark.parametrize("failure", [EngineError("out of memory"), RuntimeError("/root/secret")])
def test_an_engine_that_fails_in_the_middle_ends_the_stream_and_not_the_session(
    serve: Serve, failure: Exception
) -> None:
    server = serve(ScriptedEngine(["One ", failure], ["Two."]))
    session = new_session(server)
    events = ask(server, session)
    assert [event["type"] for event in events[-2:]] == ["failed", "turn_ended"]
    assert events[-1]["reason"] == "failed"
    assert "secret" not in str(events)
    assert ask(server, session)[-1]["text"] == "Two."
    assert history(server, session) == ["go", "One ", "go", "Two."]
    assert server.metric("assistant_turns_total", outcome="failed") == 1


def test_an_engine_that_fails_before_its_first_word_is_an_error_status(serve: Serve) -> None:
    server = serve(ScriptedEngine([EngineError("out of memory")], ["Two."]))
    session = new_session(server)
    answer = server.client.post(f"/v1/sessions/{session}/turns", json={"text": "go"})
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "out of memory"
    assert ask(server, session)[-1]["text"] == "Two."


def test_a_tool_that_hangs_times_out_and_the_turn_continues(serve: Serve, hold: Hold) -> None:
    @tool(timeout_s=0.05)
    async def hang() -> str:
        """Never answers."""
        await hold()
        return "late"

    server = serve(ScriptedEngine([call("hang")], ["It took too long."]), hang)
    events = ask(server, new_session(server))
    (finished,) = [event for event in events if event["type"] == "tool_call_finished"]
    assert finished["outcome"] == "timeout"
    assert events[-1]["text"] == "It took too long."
    assert server.metric("assistant_tool_calls_total", tool="hang", outcome="timeout") == 1


def test_an_engine_that_hangs_fails_the_turn_at_its_limit(serve: Serve, hold: Hold) -> None:
    server = serve(ScriptedEngine(["One ", hold]), max_turn_s=0.1)
    events = ask(server, new_session(server))
    assert "longer than it may" in events[-2]["message"]
    assert events[-1]["reason"] == "failed"


def test_a_full_disk_is_reported_and_nothing_is_lost_while_the_server_runs(serve: Serve) -> None:
    def step(request: Any) -> list[Any]:
        return ["x" * 100_000] if request.messages[-1].text == "long" else ["Short."]

    server = serve(ScriptedEngine(step), server={"sessions": {"max_bytes": 180_000}})
    session = new_session(server, speak=False)
    assert ask(server, session)[-1]["reason"] == "completed"
    ask(server, session, "long")
    failed, ended = ask(server, session, "long")[-2:]
    assert "not stored" in failed["message"]
    assert "no room" in failed["message"]
    assert (ended["reason"], len(ended["text"])) == ("failed", 100_000)
    assert len(history(server, session)) == 6
    answer = server.client.post(f"/v1/sessions/{session}/turns", json={"text": "a", "stream": 0})
    assert answer.status_code == 500
    assert "not stored" in answer.text


def test_a_session_that_cannot_be_stored_is_a_507(serve: Serve) -> None:
    server = serve(server={"sessions": {"max_bytes": 160_000}})
    prompt = {"system_prompt": "x" * 40_000}
    codes = {server.client.post("/v1/sessions", json=prompt).status_code for _ in range(4)}
    assert codes == {201, 507}


def endless(stopped: threading.Event, made: list[int]) -> ScriptedEngine:
    """Speaks until it is stopped."""

    def step(request: Any) -> Iterator[Any]:
        try:
            while True:
                made.append(1)
                yield Speech(np.zeros(48_000, np.int16))
        finally:
            stopped.set()

    return ScriptedEngine(step)


@contextmanager
def raw_turn(server: Running, session: str, receive_buffer: int = 0) -> Iterator[socket.socket]:
    """A client that has sent a turn, and reads as the test wants."""
    body = b'{"text": "go"}'
    head = (
        f"POST /v1/sessions/{session}/turns HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as connection:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(head.encode() + body)
        yield connection


def test_a_client_that_disconnects_ends_its_turn_which_is_stored(serve: Serve) -> None:
    stopped = threading.Event()
    server = serve(endless(stopped, []))
    session = new_session(server)
    with raw_turn(server, session) as connection:
        assert connection.recv(100)
    assert stopped.wait(20)
    server.stop()
    assert server.metric("assistant_turns_total", outcome="cancelled") == 1
    again = serve()
    assert history(again, session)[0] == "go"


def test_a_client_that_disconnects_while_it_waits_frees_its_place(serve: Serve, hold: Hold) -> None:
    limits = {"max_turns": 1, "max_waiting": 1}
    server = serve(ScriptedEngine(["One ", hold]), server={"limits": limits})
    first, second = new_session(server), new_session(server)
    with raw_turn(server, first):
        hold.wait_reached()
        with raw_turn(server, second):
            while server.app.state.server.turn_queue.waiting == 0:
                pass  # the request is on its way
        while server.app.state.server.turn_queue.waiting:
            pass  # so is its disconnect
    hold.let_go.set()


def test_a_client_that_reads_slowly_slows_its_own_engine_and_no_other(serve: Serve) -> None:
    stopped, made = threading.Event(), []
    server = serve(endless(stopped, made))
    slow, quick = new_session(server), new_session(server, speak=False)
    with raw_turn(server, slow, receive_buffer=4_096) as connection:
        for _ in range(5):
            assert connection.recv(1)
        seen = -1
        while seen != len(made):  # until it generates no more between two responses to others
            seen = len(made)
            for _ in range(20):
                assert server.client.get(f"/v1/sessions/{quick}").status_code == 200
        assert not stopped.is_set()
    assert stopped.wait(20)


def test_a_client_that_reads_nothing_for_too_long_loses_its_turn(serve: Serve) -> None:
    stopped = threading.Event()
    server = serve(endless(stopped, []), server={"limits": {"stall_s": 0.1}})
    session = new_session(server)
    with raw_turn(server, session, receive_buffer=4_096):
        assert stopped.wait(20)
    assert server.client.get(f"/v1/sessions/{session}").status_code == 200


def first_delta(lines: Iterator[str]) -> None:
    assert any("text_delta" in line for line in lines), "nothing was said"


def test_a_running_turn_is_completed_when_the_server_stops(
    tmp_path: Path,
) -> None:
    with process(tmp_path) as (running, client):
        session = client.post("/v1/sessions", json={}).json()["id"]
        path = f"/v1/sessions/{session}/turns"
        with client.stream("POST", path, json={"text": "wait"}) as answer:
            lines = answer.iter_lines()
            first_delta(lines)
            running.send_signal(signal.SIGTERM)
            rest = "\n".join(lines)
        assert '"reason":"completed","text":"One two."' in rest
        assert running.wait(30) == 0
    with process(tmp_path) as (_, client):
        data = client.get(f"/v1/sessions/{session}/history").json()["data"]
        assert [message["text"] for message in data] == ["wait", "One two."]


def test_a_killed_server_keeps_its_sessions_without_partial_turns(tmp_path: Path) -> None:
    with process(tmp_path) as (running, client):
        session = client.post("/v1/sessions", json={"metadata": {"customer": "7"}}).json()["id"]
        path = f"/v1/sessions/{session}/turns"
        assert "Hi." in client.post(path, json={"text": "hello"}).text
        with client.stream("POST", path, json={"text": "wait"}) as answer:
            lines = answer.iter_lines()
            first_delta(lines)
            running.kill()
            running.wait()
    with process(tmp_path) as (_, client):
        found = client.get(f"/v1/sessions/{session}").json()
        assert (found["metadata"], found["turns"]) == ({"customer": "7"}, 1)
        data = client.get(f"/v1/sessions/{session}/history").json()["data"]
        assert [message["text"] for message in data] == ["hello", "Hi."]
        assert "Hi." in client.post(path, json={"text": "again"}).text
