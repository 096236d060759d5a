"""The turn queue, the probes and the metrics."""

from __future__ import annotations

import threading

import httpx
import pytest

from assistant import tool
from assistant.server.metrics import Metrics
from assistant.testing import ScriptedEngine
from tests.support.serving import Hold, Running, Serve, events_of, new_session
from tests.support.tool_calls import call


def ask(server: Running, session: str) -> httpx.Response:
    path = f"/v1/sessions/{session}/turns"
    with httpx.Client(base_url=server.client.base_url, timeout=30) as client:
        return client.post(path, json={"text": "go"})


def in_background(server: Running, session: str, answers: list[httpx.Response]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(ask(server, session)))
    thread.start()
    return thread


def test_the_metrics_name_only_the_tools_of_the_server(serve: Serve) -> None:
    server = serve(ScriptedEngine([call("made_up_by_a_client", x="y")], ["Done."]))
    ask(server, new_session(server))
    metrics = server.client.get("/metrics").text
    assert "made_up_by_a_client" not in metrics
    assert 'assistant_tool_calls_total{outcome="unknown",tool="(unknown)"} 1.0' in metrics


def test_beyond_the_limit_of_waiting_turns_the_next_one_is_told_when_to_retry(
    serve: Serve, hold: Hold
) -> None:
    limits = {"max_turns": 1, "max_waiting": 2}
    server = serve(ScriptedEngine(["One ", hold, "two."]), server={"limits": limits})
    answers: list[httpx.Response] = []
    threads = [in_background(server, new_session(server), answers)]
    hold.wait_reached()
    queue = server.app.state.server.turn_queue
    for waiting in (1, 2):
        threads.append(in_background(server, new_session(server), answers))
        while queue.waiting < waiting:
            pass  # the request is on its way
    refused = ask(server, new_session(server))
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
    assert server.metric("assistant_turns_waiting") == 2
    assert server.metric("assistant_turns_running") == 1
    hold.let_go.set()
    for thread in threads:
        thread.join()
    assert [events_of(answer.text)[-1]["text"] for answer in answers] == ["One two."] * 3
    assert (queue.running, queue.waiting) == (0, 0)
    assert server.metric("assistant_turns_total", outcome="refused") == 1


def test_a_place_that_does_not_become_free_in_time_is_a_503(serve: Serve, hold: Hold) -> None:
    limits = {"max_turns": 1, "max_wait_s": 0.05}
    server = serve(ScriptedEngine(["One ", hold]), server={"limits": limits})
    answers: list[httpx.Response] = []
    thread = in_background(server, new_session(server), answers)
    hold.wait_reached()
    late = ask(server, new_session(server))
    assert (late.status_code, late.headers["Retry-After"]) == (503, "2")
    hold.let_go.set()
    thread.join()


def test_a_server_that_is_about_to_stop_is_not_ready_and_lets_running_turns_end(
    serve: Serve, hold: Hold
) -> None:
    server = serve(ScriptedEngine(["One ", hold, "two."]))
    answers: list[httpx.Response] = []
    thread = in_background(server, new_session(server), answers)
    other = new_session(server)
    hold.wait_reached()
    assert server.client.get("/ready").json() == {"status": "ready"}
    server.app.state.server.drain()
    assert server.client.get("/ready").status_code == 503
    assert server.client.get("/health").status_code == 200
    refused = ask(server, other)
    assert refused.status_code == 503
    assert "Retry-After" in refused.headers
    hold.let_go.set()
    thread.join()
    assert events_of(answers[0].text)[-1]["text"] == "One two."


def test_the_segments_of_a_turn_add_up_to_its_time(serve: Serve) -> None:
    @tool
    async def look() -> str:
        """Looks."""
        return "seen"

    server = serve(ScriptedEngine(["One. ", call("look"), call("look")], ["Two."]), look)
    for _ in range(3):
        events_of(ask(server, new_session(server)).text)
    text = server.client.get("/metrics").text
    assert 'assistant_turns_total{outcome="completed"} 3.0' in text
    assert 'assistant_tool_calls_total{outcome="ok",tool="look"} 6.0' in text
    parts = [
        server.metric("assistant_turn_segment_seconds_sum", segment=segment)
        for segment in ("queue", "model", "tools", "speech")
    ]
    assert all(part > 0 for part in parts)
    whole = server.metric("assistant_turn_seconds_sum")
    assert sum(parts) == pytest.approx(whole)
    assert server.metric("assistant_audio_out_seconds_total") > 0
    assert server.metric("assistant_sessions_live") == 3


def test_each_app_has_its_own_metrics() -> None:
    first, second = Metrics(), Metrics()
    first.turns.labels("completed").inc()
    assert b'assistant_turns_total{outcome="completed"} 1.0' in first.render()
    assert b'outcome="completed"' not in second.render()


def test_an_unknown_tool_name_gets_no_metric_of_its_own(serve: Serve) -> None:
    server = serve(ScriptedEngine([call("x" * 50)], ["Hm."]))
    ask(server, new_session(server))
    assert "xxx" not in server.client.get("/metrics").text
