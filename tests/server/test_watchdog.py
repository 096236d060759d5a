"""/health tells whether turns move, and a stop is a stop."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from assistant.errors import EngineError
from assistant.server.watchdog import FAILURES, Watchdog
from assistant.testing import ScriptedEngine
from tests.support.serving import Serve, new_session, process


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def works() -> None:
    pass


async def fails() -> None:
    raise EngineError("out of memory")


@pytest.mark.parametrize(
    ("running", "seconds", "suspects"), [(1, 59, False), (1, 61, True), (0, 99, False)]
)
def test_turns_that_all_stand_still_are_suspicious(
    running: int, seconds: float, suspects: bool
) -> None:
    clock = Clock()
    watchdog = Watchdog(works, lambda: running, 60.0, now=clock)
    clock.seconds = seconds
    assert watchdog.suspects is suspects
    watchdog.moved()
    assert not watchdog.suspects


@pytest.mark.anyio
async def test_an_engine_that_fails_is_a_problem_until_a_turn_ends_well() -> None:
    watchdog = Watchdog(fails, lambda: 0, 60.0)
    for _ in range(FAILURES):
        assert not watchdog.suspects
        watchdog.ended(failed=True)
    assert watchdog.suspects
    await watchdog.look()
    assert watchdog.problem == "the engine fails: out of memory"
    assert not watchdog.suspects
    watchdog.ended(failed=False)
    assert watchdog.problem == ""


def test_health_and_ready_are_503_while_the_engine_fails(serve: Serve) -> None:
    server = serve(ScriptedEngine(lambda request: EngineError("broken")))
    assert server.client.get("/health").status_code == 200
    session = new_session(server)
    for _ in range(FAILURES):
        server.client.post(f"/v1/sessions/{session}/turns", json={"text": "hi"})
    while (answer := server.client.get("/health")).status_code == 200:
        pass
    assert "the engine fails" in answer.json()["detail"]
    assert server.client.get("/ready").status_code == 503


def test_the_lag_of_the_event_loop_is_a_metric(serve: Serve) -> None:
    assert "\nassistant_event_loop_lag_seconds " in serve().client.get("/metrics").text


@pytest.mark.parametrize("signals", [1, 2])
def test_a_turn_whose_thread_hangs_does_not_keep_the_process_alive(
    tmp_path: Path, signals: int
) -> None:
    with process(tmp_path, shutdown_s=0.5 if signals == 1 else 60.0) as (running, client):
        session = client.post("/v1/sessions", json={}).json()["id"]
        with client.stream(
            "POST", f"/v1/sessions/{session}/turns", json={"text": "hang"}
        ) as answer:
            next(answer.iter_lines())
            running.send_signal(signal.SIGTERM)
            while client.get("/ready").status_code != 503:
                pass
            if signals == 2:
                running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=20) == 70
