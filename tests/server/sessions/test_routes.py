"""Conversations that the server stores, as a client sees them."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from assistant import ToolResult, tool
from assistant.events import Transcript
from assistant.messages import UserMessage
from assistant.testing import ScriptedEngine
from tests.support.serving import Hold, Serve, events_of, new_session, wav
from tests.support.tool_calls import call


def test_a_turn_is_a_stream_of_the_events_of_the_turn_loop(serve: Serve) -> None:
    server = serve(ScriptedEngine(["Hel", "lo."]))
    session = new_session(server)
    answer = server.client.post(f"/v1/sessions/{session}/turns", json={"text": "hi"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    kinds = [event["type"] for event in events]
    assert kinds == ["turn_started", "text_delta", "audio", "text_delta", "audio", "turn_ended"]
    assert (events[-1]["reason"], events[-1]["text"]) == ("completed", "Hello.")
    pcm = np.frombuffer(base64.b64decode(events[2]["samples"]), "<i2")
    assert len(pcm) == round(events[2]["seconds"] * 24_000) > 0


def test_a_turn_without_streaming_is_answered_in_one_body(serve: Serve) -> None:
    @tool
    async def count() -> ToolResult:
        """Counts."""
        return ToolResult("three", data={"n": 3})

    server = serve(ScriptedEngine(["Well. ", call("count")], ["Three."]), count)
    session = new_session(server)
    body = {"text": "count", "stream": False}
    answer = server.client.post(f"/v1/sessions/{session}/turns", json=body).json()
    assert answer["reason"] == "completed"
    assert answer["text"] == "Well. Three."
    (made,) = answer["tool_calls"]
    assert (made["name"], made["outcome"], made["result"]) == ("count", "ok", "three")
    assert made["data"] == {"n": 3}
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(answer["audio"])))
    assert rate == 24_000
    assert len(samples) / rate == pytest.approx(answer["audio_seconds"])


@pytest.mark.parametrize("form", ["json", "pcm", "multipart", "data_url"])
def test_a_spoken_question_reaches_the_engine_as_audio(serve: Serve, form: str) -> None:
    engine = ScriptedEngine([Transcript("what time is it"), "Noon."])
    server = serve(engine)
    path = f"/v1/sessions/{new_session(server)}/turns"
    data = base64.b64encode(wav()).decode()
    raw = base64.b64encode(np.zeros(8_000, "<i2").tobytes()).decode()
    match form:
        case "json":
            answer = server.client.post(path, json={"audio": {"data": data}})
        case "pcm":
            audio = {"data": raw, "format": "pcm16", "sample_rate": 16_000}
            answer = server.client.post(path, json={"audio": audio})
        case "multipart":
            answer = server.client.post(path, files={"audio": ("any.bin", wav())})
        case _:
            answer = server.client.post(path, json={"audio_url": f"data:audio/wav;base64,{data}"})
    assert answer.status_code == 200, answer.text
    question = engine.requests[0].messages[-1]
    assert isinstance(question, UserMessage)
    assert question.parts[0].seconds == pytest.approx(0.5)
    assert server.metric("assistant_audio_in_seconds_total") == pytest.approx(0.5)
    history = server.client.get(path.replace("turns", "history")).json()["data"]
    assert history[0] == {"role": "user", "text": "what time is it", "audio_seconds": 0.5}


def test_a_conversation_continues_after_a_restart(serve: Serve) -> None:
    @tool
    async def deep(voice: str) -> ToolResult:
        """Changes the voice."""
        return ToolResult("done", voice=voice)

    first = serve(ScriptedEngine(["Sure. ", call("deep", voice="slt")], ["Deep."]), deep)
    session = new_session(first, system_prompt="Be brief.", language="de", metadata={"n": "7"})
    before = first.client.get(f"/v1/sessions/{session}").json()
    events = events_of(
        first.client.post(f"/v1/sessions/{session}/turns", files={"audio": wav()}).text
    )
    assert events[0]["turn_id"] == "turn_1"
    history = first.client.get(f"/v1/sessions/{session}/history").json()
    first.stop()

    engine = ScriptedEngine(["Still here."])
    second = serve(engine, deep)
    assert second.client.get(f"/v1/sessions/{session}/history").json() == history
    path = f"/v1/sessions/{session}/turns"
    events = events_of(second.client.post(path, json={"text": "there?"}).text)
    assert events[0]["turn_id"] == "turn_2"
    request = engine.requests[0]
    assert (request.voice.id, request.language) == ("slt", "de")
    assert request.messages[0].text == "Be brief."
    assert request.messages[1].parts[0].seconds == pytest.approx(0.5)  # it has no transcript
    after = second.client.get(f"/v1/sessions/{session}").json()
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"voice", "turns", "expires_at"}
    assert (after["turns"], after["metadata"]) == (2, {"n": "7"})


def test_a_deleted_session_is_gone_with_its_messages(serve: Serve) -> None:
    server = serve()
    session = new_session(server)
    server.client.post(f"/v1/sessions/{session}/turns", json={"text": "secret"})
    assert server.client.delete(f"/v1/sessions/{session}").status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/history"), ("POST", "/turns")):
        answer = server.client.request(method, f"/v1/sessions/{session}{path}", json={"text": "a"})
        assert answer.status_code == 404, (method, path)
    assert server.client.get("/v1/sessions").json()["data"] == []


def test_a_second_turn_at_the_same_time_is_a_409(serve: Serve, hold: Hold) -> None:
    server = serve(ScriptedEngine(["One ", hold, "two."]))
    session = new_session(server)
    path = f"/v1/sessions/{session}/turns"
    with server.client.stream("POST", path, json={"text": "first"}) as first:
        hold.wait_reached()
        second = server.client.post(path, json={"text": "second"})
        assert second.status_code == 409
        assert "running" in second.json()["error"]["message"]
        hold.let_go.set()
        events = events_of(first.read().decode())
    assert (events[-1]["reason"], events[-1]["text"]) == ("completed", "One two.")


def test_a_second_turn_interrupts_the_first_if_it_asks_to(serve: Serve, hold: Hold) -> None:
    engine = ScriptedEngine(["One ", hold, "two."], ["Three."])
    server = serve(engine)
    session = new_session(server)
    path = f"/v1/sessions/{session}/turns"
    with server.client.stream("POST", path, json={"text": "first"}) as first:
        hold.wait_reached()
        second = server.client.post(path, json={"text": "second", "interrupt": True})
        assert events_of(second.text)[-1]["text"] == "Three."
        events = events_of(first.read().decode())
    assert events[-1]["reason"] == "cancelled"
    texts = [message.text for message in engine.requests[1].messages[1:]]
    assert texts == ["first", "One ", "second"]


def test_an_interruption_does_not_wait_for_a_client_that_reads_nothing(
    serve: Serve, hold: Hold
) -> None:
    def endless(request: Any) -> Any:
        if request.messages[-1].text == "second":
            yield "Now."
            return
        hold.reached.set()
        while True:
            yield "x" * 1_000

    server = serve(ScriptedEngine(endless))
    session = new_session(server)
    path = f"/v1/sessions/{session}/turns"
    with server.client.stream("POST", path, json={"text": "first"}):
        hold.wait_reached()
        second = server.client.post(path, json={"text": "second", "interrupt": True})
        assert events_of(second.text)[-1]["text"] == "Now."


def test_cancel_ends_the_turn_and_stores_what_was_said(serve: Serve, hold: Hold) -> None:
    server = serve(ScriptedEngine(["One ", hold, "two."]))
    session = new_session(server)
    path = f"/v1/sessions/{session}"
    with server.client.stream("POST", f"{path}/turns", json={"text": "go"}) as answer:
        hold.wait_reached()
        assert server.client.post(f"{path}/cancel").status_code == 204
        events = events_of(answer.read().decode())
    assert events[-1]["reason"] == "cancelled"
    history = server.client.get(f"{path}/history").json()["data"]
    assert [message["text"] for message in history] == ["go", "One "]


def test_many_sessions_have_turns_at_the_same_time(serve: Serve) -> None:
    server = serve(ScriptedEngine(lambda request: [f"You said {request.messages[-1].text}."]))
    sessions = [new_session(server, speak=False) for _ in range(12)]
    texts: dict[str, str] = {}

    def ask(session: str) -> None:
        path = f"/v1/sessions/{session}/turns"
        with httpx.Client(base_url=server.client.base_url, timeout=30) as client:
            body = {"text": session, "stream": False}
            texts[session] = client.post(path, json=body).json()["text"]

    threads = [threading.Thread(target=ask, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {session: f"You said {session}." for session in sessions}


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({}, 400, "nothing was asked"),
        ({"text": "  "}, 400, "nothing was asked"),
        ({"text": 5}, 400, "text"),
        ({"audio": {"data": "%%%"}}, 400, "base64"),
        ({"audio": {"data": "AAAA"}}, 400, "can't be read"),
        ({"audio": {"data": "AAA=", "format": "pcm16", "sample_rate": 1}}, 400, "sample_rate"),
        ({"audio_url": "http://127.0.0.1/a.wav"}, 400, "not on the public internet"),
        ({"audio_url": "file:///etc/passwd"}, 400, "https:"),
    ],
)
def test_an_invalid_turn_is_a_clear_400(
    serve: Serve, body: dict[str, Any], status: int, word: str
) -> None:
    server = serve()
    answer = server.client.post(f"/v1/sessions/{new_session(server)}/turns", json=body)
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"voice": "nobody"}, "nobody"),
        ({"tools": ["wether"]}, "wether"),
        ({"metadata": {"a": {}}}, "metadata"),
        ({"system_prompt": 3}, "system_prompt"),
    ],
)
def test_an_invalid_session_is_refused(serve: Serve, values: dict[str, Any], word: str) -> None:
    answer = serve().client.post("/v1/sessions", json=values)
    assert answer.status_code == 400
    assert word in answer.json()["error"]["message"]


def test_only_the_tools_of_the_session_are_offered(serve: Serve) -> None:
    @tool
    async def mine() -> str:
        """Mine."""
        return "yes"

    engine = ScriptedEngine(["Hm."])
    server = serve(engine, mine)
    for tools, offered in ((["mine"], ["mine"]), ([], [])):
        session = new_session(server, tools=tools)
        server.client.post(f"/v1/sessions/{session}/turns", json={"text": "hi"})
        assert [schema.name for schema in engine.requests[-1].tools] == offered
