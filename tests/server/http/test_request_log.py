"""Contents of responses and of the log, and what they must not contain."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.sync.client import connect

from assistant import tool
from assistant.events import Transcript
from assistant.server.logs import install_logs
from assistant.testing import ScriptedEngine
from tests.support.serving import Serve, events_of, new_session
from tests.support.tool_calls import call


@contextmanager
def log(*, log_content: bool = False) -> Iterator[io.StringIO]:
    """Returns what the server writes to its log."""
    root, stream = logging.getLogger(), io.StringIO()
    level = root.level
    handler = install_logs(log_content=log_content, stream=stream)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def test_every_response_has_a_request_id_and_a_valid_one_of_the_client_is_used(
    serve: Serve,
) -> None:
    client = serve().client
    for path in ("/health", "/v1/tools", "/nowhere", "/v1/sessions/none"):
        answer = client.get(path, headers={"X-Request-Id": "abc-1.2:3"})
        assert answer.headers["X-Request-Id"] == "abc-1.2:3"
    for bad in ("a b", "x" * 65, "ä", "<script>"):
        made = client.get("/health", headers={"X-Request-Id": bad.encode()}).headers
        assert made["X-Request-Id"] not in (bad, "")


def test_a_defect_is_a_500_without_details_and_is_in_the_log_with_its_request(
    serve: Serve,
) -> None:
    server = serve()

    def broken() -> None:
        raise ZeroDivisionError("/se" + "cret/path.py")

    server.app.add_api_route("/v1/broken", broken)
    with log() as written:
        answer = server.client.get("/v1/broken", headers={"X-Request-Id": "find-me"})
        server.stop()
    assert answer.status_code == 500
    assert answer.headers["X-Request-Id"] == "find-me"
    assert answer.json()["error"]["message"] == "The server failed unexpectedly."
    assert "secret" not in answer.text + written.getvalue()
    assert "[find-me] The request failed unexpectedly" in written.getvalue()
    assert "ZeroDivisionError" in written.getvalue()
    assert "test_request_log.py" in written.getvalue()


@pytest.mark.parametrize("asked", [False, True])
def test_no_content_is_in_the_log_unless_asked(serve: Serve, asked: bool) -> None:
    @tool
    async def look_up(word: str) -> str:
        """Looks up."""
        raise ValueError(f"no {word}")

    @tool
    async def reach(word: str) -> str:
        """Reaches."""
        raise ConnectionError(f"no {word}")

    calls = call("look_up", word="Argumentword") + call("reach", word="Argumentword")
    script = [Transcript("Spokenword"), "Answerword ", calls], ["Done."]
    with log(log_content=asked) as written:
        settings = {"log_content": asked}
        server = serve(ScriptedEngine(*script), look_up, reach, server=settings)
        session = new_session(server, metadata={"a": "Metaword"})
        path = f"/v1/sessions/{session}/turns?secret=Queryword"
        answer = server.client.post(path, json={"text": "Questionword"})
        assert events_of(answer.text)[-1]["reason"] == "completed"
        server.stop()
    text = written.getvalue()
    assert f"[{answer.headers['X-Request-Id']}] POST /v1/sessions/{{session_id}}/turns 200" in text
    assert "ValueError" in text
    for word in ("Questionword", "Queryword", "Metaword"):
        assert word not in text
    for word in ("Spokenword", "Answerword", "Argumentword"):
        assert (word in text) is asked, word


def test_the_query_of_a_websocket_is_not_logged(serve: Serve) -> None:
    with log() as written:
        server = serve()
        with connect(f"ws://127.0.0.1:{server.port}/v1/realtime?session_id=Secretword") as socket:
            socket.recv()
        server.stop()
    assert "WS /v1/realtime 101" in written.getvalue()
    assert "Secretword" not in written.getvalue()
