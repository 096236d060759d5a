"""A tool with an effect runs once, however often a client repeats its request."""

from __future__ import annotations

import openai
import pytest

from assistant.errors import EngineError
from assistant.testing import FailingTool, ScriptedEngine
from tests.support.serving import Hold, Running, Serve
from tests.support.tool_calls import call

ASK = {"messages": [{"role": "user", "content": "Send 100."}]}
PATH = "/v1/chat/completions"


def payment(side_effect: str = "once") -> FailingTool:
    return FailingTool(name="pay", result="sent", side_effect=side_effect)  # type: ignore[arg-type]


def key(value: str = "a") -> dict[str, str]:
    return {"Idempotency-Key": value}


def failing(serve: Serve, tool: FailingTool) -> Running:
    """A server whose engine calls the tool, and then fails, time and again."""
    engine = ScriptedEngine(*[[call("pay")], [EngineError("out of memory")]] * 4)
    return serve(engine, tool.tool)


def test_a_failure_after_an_effect_is_not_retried_by_openais_client(serve: Serve) -> None:
    tool = payment()
    server = failing(serve, tool)
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none")
    with client, pytest.raises(openai.InternalServerError) as error:
        client.chat.completions.create(model="m", messages=ASK["messages"])  # type: ignore[call-overload]
    assert tool.tries == 1
    assert error.value.response.headers["x-should-retry"] == "false"


def test_a_failure_without_an_effect_may_be_retried(serve: Serve) -> None:
    server = failing(serve, payment("idempotent"))
    assert "x-should-retry" not in server.client.post(PATH, json=ASK).headers


def test_the_same_key_gets_the_recorded_response(serve: Serve) -> None:
    tool = payment()
    server = serve(ScriptedEngine([call("pay")], ["It is sent."], ["Again?"]), tool.tool)
    first = server.client.post(PATH, json=ASK, headers=key())
    second = server.client.post(PATH, json=ASK, headers=key())
    assert first.content == second.content
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["idempotent-replayed"] == "true"
    assert tool.tries == 1


def test_the_same_key_gets_the_recorded_stream(serve: Serve) -> None:
    tool = payment()
    server = serve(ScriptedEngine([call("pay")], ["It is sent."]), tool.tool)
    texts = [server.client.post(PATH, json={**ASK, "stream": True}, headers=key()).text
             for _ in range(2)]  # fmt: skip
    assert texts[0] == texts[1]
    assert "It is sent." in texts[0].replace('"', "")
    assert tool.tries == 1


def test_a_recorded_failure_after_an_effect_is_not_run_again(serve: Serve) -> None:
    tool = payment()
    server = failing(serve, tool)
    answers = [server.client.post(PATH, json=ASK, headers=key()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [500, 500]
    assert tool.tries == 1


def test_a_failure_without_an_effect_runs_again_under_the_same_key(serve: Serve) -> None:
    acts = iter([[EngineError("out of memory")], ["Hello."]])
    client = serve(ScriptedEngine(lambda request: next(acts))).client
    answers = [client.post(PATH, json=ASK, headers=key()).status_code for _ in range(2)]
    assert answers == [500, 200]


def test_a_key_of_another_request_is_refused(serve: Serve) -> None:
    client = serve(ScriptedEngine(["Hello."])).client
    assert client.post(PATH, json=ASK, headers=key()).status_code == 200
    other = {"messages": [{"role": "user", "content": "Send 200."}]}
    assert client.post(PATH, json=other, headers=key()).status_code == 422
    assert client.post(PATH, json=ASK, headers=key("b" * 256)).status_code == 400


def test_a_request_that_still_runs_is_a_409(serve: Serve, hold: Hold) -> None:
    server = serve(ScriptedEngine(["Well. ", hold, "Hello."]))
    with server.client.stream("POST", PATH, json={**ASK, "stream": True}, headers=key()) as first:
        hold.wait_reached()
        again = server.client.post(PATH, json={**ASK, "stream": True}, headers=key())
        assert again.status_code == 409
        hold.let_go.set()
        assert "Hello." in first.read().decode().replace('"', "")


def test_a_form_is_recognized_although_its_boundary_differs(serve: Serve) -> None:
    engine = ScriptedEngine(["One."], ["Two."])
    client = serve(engine).client
    answers = [client.post("/generate", files={"text": (None, "Hello.")}, headers=key()).content
               for _ in range(2)]  # fmt: skip
    assert answers[0] == answers[1]
    assert len(engine.requests) == 1
