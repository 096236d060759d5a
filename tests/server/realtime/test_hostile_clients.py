"""Hostile and broken clients, and clients that are refused."""

from __future__ import annotations

import base64
import json
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from assistant.server.auth.key_file import add_key
from assistant.server.realtime import items
from assistant.server.realtime.items import Item, Items
from assistant.server.realtime.resumption import ResumableSessions
from assistant.testing import ScriptedEngine
from tests.server.realtime.realtime_client import calling, speech
from tests.support.serving import Hold, Running, Serve


def url(server: Running, path: str = "/v1/realtime?model=m") -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"response.create"',
        '{"type": 5}',
        '{"type": "no.such.event"}',
        '{"event_id": "x"}',
        '{"type": "session.update"}',
        '{"type": "session.update", "session": 5}',
        '{"type": "input_audio_buffer.append"}',
        '{"type": "input_audio_buffer.append", "audio": "%%%"}',
        '{"type": "input_audio_buffer.append", "audio": "\\ud800"}',
        '{"type": "response.create", "response": {"input": "x"}}',
        '{"type": "conversation.item.create", "item": {"type": "message"}}',
        '{"type": "conversation.item.create", "item": {"type": "reasoning"}}',
        '{"type": "assistant.playback.position", "response_id": "x", "played_ms": 1}',
        "[" * 100_000,
        '{"a":' * 100 + "1" + "}" * 100,
        '{"type": "response.cancel", "x": ' + "9" * 10_000 + "}",
        "{" + ",".join(f'"k{n}":0' for n in range(300_000)) + "}",
    ],
    ids=lambda text: text[:40],
)
def test_an_invalid_message_is_an_error_and_the_socket_stays_open(serve: Serve, text: str) -> None:
    with calling(serve()) as caller:
        caller.socket.send(text)
        error = caller.until("error")["error"]
        assert error["message"]
        assert error["type"] == "invalid_request_error"
        assert caller.update(instructions="Still here.")["instructions"] == "Still here."


def test_an_error_names_the_event_that_it_is_about(serve: Serve) -> None:
    with calling(serve()) as caller:
        caller.socket.send('{"type": "no.such.event", "event_id": "seven"}')
        error = caller.until("error")["error"]
    assert (error["event_id"], error["param"]) == ("seven", "type")
    assert "no.such.event" in error["message"]


def test_a_client_that_sends_only_invalid_messages_is_disconnected(serve: Serve) -> None:
    with calling(serve()) as caller:
        for _ in range(30):
            caller.socket.send("rubbish")
        code, reason = caller.closed()
    assert code == 1008
    assert "no events" in reason
    assert len(caller.all("error")) == 21


def test_binary_messages_are_refused(serve: Serve) -> None:
    with calling(serve()) as caller:
        caller.socket.send(b"\0\0")
        assert caller.closed()[0] == 1003


def test_a_message_that_is_too_large_is_refused(serve: Serve) -> None:
    with calling(serve(server={"sockets": {"max_message_bytes": 65_536}})) as caller:
        caller.send("input_audio_buffer.append", audio="A" * 65_536)
        assert caller.closed()[0] == 1009


def test_an_idle_client_is_disconnected(serve: Serve) -> None:
    with calling(serve(server={"sockets": {"idle_s": 0.2}})) as caller:
        assert caller.closed() == (1001, "idle")


def test_a_session_ends_at_its_time_limit(serve: Serve) -> None:
    with calling(serve(server={"sockets": {"session_s": 0.3}})) as caller:
        code, reason = caller.closed()
    assert code == 1001
    assert "limit" in reason


def test_the_buffer_of_a_client_that_never_commits_is_bounded(serve: Serve) -> None:
    with calling(serve(max_audio_s=5.0)) as caller:
        caller.listen(turn_detection=None)
        second = base64.b64encode(b"\0" * 48_000).decode()
        for _ in range(5):
            caller.send("input_audio_buffer.append", audio=second)
        error = caller.refused("input_audio_buffer.append", audio=second)
        assert error["code"] == "input_audio_buffer_full"
        caller.after("input_audio_buffer.clear", "input_audio_buffer.cleared")
        caller.send("input_audio_buffer.append", audio=second)
        caller.after("input_audio_buffer.commit", "input_audio_buffer.committed")


def test_endless_speech_is_ended_at_the_limit(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(
        serve(engine, live={"lead_ins": False, "max_user_turn_s": 2.0, "speculate_ms": 0})
    ) as caller:
        caller.speak(speech(silence_s=0.0) * 4)
        caller.until("input_audio_buffer.committed")
        caller.until("response.done")
    assert engine.requests[0].messages[-1].parts[0].seconds < 2.5


def test_a_conversation_has_a_limit_of_bytes(serve: Serve) -> None:
    part = {"type": "input_text", "text": "x" * 6_000}
    item = {"type": "message", "role": "user", "content": [part]}
    with calling(serve(server={"sockets": {"max_conversation_bytes": 10_000}})) as caller:
        caller.create(item)
        caller.create(item)
        assert "full" in caller.refused("conversation.item.create", item=item)["message"]
        caller.speak()
        assert caller.closed()[0] == 1008


def test_the_conversations_of_one_key_have_a_limit_of_bytes_together(serve: Serve) -> None:
    part = {"type": "input_text", "text": "x" * 6_000}
    item = {"type": "message", "role": "user", "content": [part]}
    server = serve(server={"sockets": {"max_conversation_bytes_per_key": 10_000}})
    with calling(server) as one, calling(server) as other:
        one.create(item)
        other.create(item)
        assert "full" in one.refused("conversation.item.create", item=item)["message"]
    with calling(server) as later:
        later.create(item)


def test_unknown_keys_of_updates_are_not_retained(serve: Serve) -> None:
    server = serve()
    with calling(server) as caller:
        session_id = caller.seen[0]["session"]["id"]
        for index in range(30):
            caller.update(**{f"unknown_{index}": "x" * 100_000})
        caller.update(instructions="Be brief.")
        caller.socket.socket.close()
    sessions = server.app.state.server.get(ResumableSessions)
    with calling(server) as other:
        while not len(sessions):
            other.update()
        with calling(server, f"session_id={session_id}") as resumed:
            assert resumed.seen[0]["session"]["instructions"] == "Be brief."


def test_a_configuration_that_is_too_large_is_refused_and_changes_nothing(serve: Serve) -> None:
    with calling(serve()) as caller:
        caller.update(instructions="Be brief.")
        for values in (
            {"instructions": "x" * 300_000},
            {"tools": [{"type": "function", "name": "a", "parameters": {"x": [0] * 10_000}}]},
            {"tracing": {"x": ["y"] * 10_000}},
        ):
            error = caller.refused("session.update", session={"type": "realtime", **values})
            assert "larger than" in error["message"]
        assert caller.update()["instructions"] == "Be brief."


def test_the_size_of_an_item_is_counted_once() -> None:
    reads = []

    class Content(dict[str, Any]):
        def values(self) -> Any:
            reads.append(self["id"])
            return super().values()

    held = Items()
    for index in range(100):
        held.add(Item(Content(id=str(index), type="message")))
    assert reads == [str(index) for index in range(100)]


def test_the_oldest_items_are_dropped(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MAX_ITEMS", 3)
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        first = caller.say("1")
        for text in "234":
            caller.say(text)
        error = caller.refused("conversation.item.retrieve", item_id=first)
        assert error["code"] == "item_retrieve_invalid_item_id"
        caller.respond()
    assert [message.text for message in engine.requests[0].messages[1:]] == ["1", "2", "3", "4"]


def test_many_out_of_band_responses_at_once_are_refused(serve: Serve, hold: Hold) -> None:
    with calling(serve(ScriptedEngine([hold, "Yes."]))) as caller:
        for _ in range(4):
            caller.send("response.create", response={"conversation": "none"})
        error = caller.refused("response.create", response={"conversation": "none"})
        assert error["code"] == "conversation_already_has_active_response"
        hold.let_go.set()
        for _ in range(4):
            caller.until("response.done")


def test_a_client_that_reads_nothing_is_disconnected_and_no_other(serve: Serve) -> None:
    engine = ScriptedEngine(["Once upon a time. " * 400] * 20)
    server = serve(engine, server={"limits": {"stall_s": 0.5}, "sockets": {"max_per_key": 2}})
    with calling(server) as other, socket.socket() as raw:
        # It has a small receive buffer and reads nothing, so the server's audio piles up.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.connect(("127.0.0.1", server.port))
        raw.sendall(handshake(server))
        assert raw.recv(64).startswith(b"HTTP/1.1 101")
        while server.metric("assistant_sockets_open") < 2:
            other.update()
        raw.sendall(frame(json.dumps({"type": "response.create"})))
        while server.metric("assistant_sockets_open") == 2:
            other.update()
        other.update()


def handshake(server: Running) -> bytes:
    lines = [
        "GET /v1/realtime?model=m HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(text: str) -> bytes:
    """A text message with a mask of zeros."""
    data = text.encode()
    assert len(data) < 126
    return struct.pack("!BB4x", 0x81, 0x80 | len(data)) + data


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def refused(server: Running, status: int, **options: Any) -> dict[str, Any]:
    """The answer to a handshake that was refused, as HTTP."""
    with pytest.raises(InvalidStatus) as info:
        connect(url(server, options.pop("path", "/v1/realtime?model=m")), **options)
    assert info.value.response.status_code == status
    return dict(json.loads(info.value.response.body)["error"])


def bearer(key: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {key}"}}


def test_without_a_key_a_handshake_is_a_401(serve: Serve, file: Path) -> None:
    key = add_key(file)
    server = serve(server={"keys": file})
    assert refused(server, 401)["code"] == "invalid_api_key"
    assert refused(server, 401, **bearer(key[:-1] + "!"))["code"] == "invalid_api_key"
    assert refused(server, 401, **bearer("ek_" + "A" * 43))["code"] == "invalid_api_key"
    with calling(server, key=key):
        pass


def test_without_the_scope_a_handshake_is_a_403(serve: Serve, file: Path) -> None:
    key = add_key(file, scopes=["chat"])
    server = serve(server={"keys": file})
    assert "realtime" in refused(server, 403, **bearer(key))["message"]


def test_a_page_of_another_origin_gets_no_socket(serve: Serve) -> None:
    server = serve()
    error = refused(server, 403, origin="https://evil.example")
    assert "origin" in error["message"]
    with connect(url(server), origin=f"http://127.0.0.1:{server.port}") as socket:
        assert "session.created" in str(socket.recv())


def test_a_browser_sends_its_key_as_a_subprotocol(serve: Serve, file: Path) -> None:
    key = add_key(file)
    server = serve(server={"keys": file})
    protocols = ["realtime", f"openai-insecure-api-key.{key}"]
    with calling(server, protocols=protocols) as caller:
        assert caller.socket.subprotocol == "realtime"
    assert refused(server, 401, subprotocols=["realtime", "openai-insecure-api-key.x"])


def test_connections_are_counted_by_key(serve: Serve, file: Path) -> None:
    one, two = add_key(file), add_key(file)
    server = serve(server={"keys": file, "sockets": {"max_per_key": 2, "max_open": 3}})
    with calling(server, key=one), calling(server, key=one):
        assert "2 connections" in refused(server, 429, **bearer(one))["message"]
        with calling(server, key=two):
            assert "no place" in refused(server, 503, **bearer(two))["message"]
        while server.metric("assistant_sockets_open") > 2:  # the server notices it, too
            server.client.get("/health")
        with calling(server, key=two):
            pass


def test_a_key_limits_tools_and_voices(serve: Serve, file: Path) -> None:
    engine = ScriptedEngine(["Yes."])
    key = add_key(file, tools=["weather"], voices=["slt"])
    server = serve(engine, server={"keys": file})
    with calling(server, key=key) as caller:
        session = caller.update(audio={"output": {"voice": "awb"}})
        assert session["audio"]["output"]["voice"] == "default"
        caller.respond()
        caller.respond(conversation="none")
    for request in engine.requests:
        assert {schema.name for schema in request.tools} == {"weather"}


def test_a_turn_that_finds_no_place_in_the_queue_fails_and_says_why(
    serve: Serve, hold: Hold
) -> None:
    engine = ScriptedEngine([hold, "Yes."])
    server = serve(engine, server={"limits": {"max_turns": 1, "max_waiting": 0}})
    with calling(server) as one, calling(server) as two:
        one.send("response.create")
        hold.wait_reached()
        done = two.respond()
        assert done["status"] == "failed"
        assert "try again" in done["status_details"]["error"]["message"]
        hold.let_go.set()
        one.until("response.done")
        assert two.respond()["status"] == "completed"
