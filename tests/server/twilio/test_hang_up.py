"""The assistant ends a call: goodbye is played to the end, and Twilio is called."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from assistant.messages import ToolMessage
from assistant.server.twilio.signature import HEADER, sign
from tests.server.twilio.simulated_caller import (
    ACCOUNT,
    CALL,
    Caller,
    announce,
    answering,
    calling,
    connected,
    question,
    silence,
    turns,
)
from tests.support.serving import Running, Serve
from tests.support.tool_calls import call as tool_call

pytestmark = pytest.mark.anyio

PUBLIC = "https://phone.example"
TOKEN = "a secret of the account"
MUTE = {"insecure": True, "twilio": {"greeting": ""}}
GOODBYE = "Goodbye, and thank you for calling us today."
HANG_UP = tool_call("hang_up")


class Twilio:
    """Twilio's API on loopback: what it was asked, and with which status it answers."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        self.asked = threading.Event()
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.requests.append(
                    {"path": self.path, "auth": self.headers["Authorization"], "body": body}
                )
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(json.dumps({"code": 20404}).encode())
                outer.asked.set()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def twilio() -> Iterator[Twilio]:
    made = Twilio()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


async def ask(caller: Caller) -> None:
    await caller.speak(question("roll_a_dice"))
    await caller.speak(silence(1.0))


async def test_goodbye_is_played_to_the_end_and_not_interrupted_by_the_caller(serve: Serve) -> None:
    engine = answering([HANG_UP], [GOODBYE])
    server = serve(engine, server=MUTE)
    async with calling(server) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() > 0.5)
        await caller.speak(question("what_time_is_it_in_tokyo"))
        await caller.speak(silence(1.0))
        await caller.press("1#")
        assert await caller.until_closed() == (1000, "")
    assert caller.count("clear") == 0
    assert caller.received_s() >= len(GOODBYE) * 0.05
    assert len(turns(engine)) == 2
    result = turns(engine)[1].messages[-1]
    assert isinstance(result, ToolMessage)
    assert (result.call.name, result.outcome) == ("hang_up", "ok")
    assert turns(engine)[1].tools == ()
    server.stop()
    assert server.metric("assistant_calls_total", ended_by="assistant") == 1


async def test_a_goodbye_spoken_with_the_call_is_not_repeated(serve: Serve) -> None:
    engine = answering([GOODBYE, HANG_UP])
    server = serve(engine, server=MUTE)
    async with calling(server) as caller:
        await ask(caller)
        assert await caller.until_closed() == (1000, "")
    assert len(turns(engine)) == 1
    assert caller.received_s() == pytest.approx(len(GOODBYE) * 0.05, abs=0.03)


async def test_the_call_does_not_end_before_the_mark_after_goodbye_comes_back(serve: Serve) -> None:
    server = serve(answering([GOODBYE, HANG_UP]), server=MUTE)
    async with calling(server, echoes=False) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() >= len(GOODBYE) * 0.05)
        await caller.until(lambda: caller.messages[-1]["event"] == "mark")
        last = caller.messages[-1]["mark"]["name"]
        assert caller.closed is None
        await caller.send("mark", mark={"name": last})
        assert await caller.until_closed() == (1000, "")


async def test_a_call_to_hang_up_in_an_interrupted_response_ends_nothing(
    serve: Serve,
) -> None:
    engine = answering([GOODBYE * 8], ["Yes?"])
    server = serve(engine, server=MUTE)
    async with calling(server) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() > 0.5)
        await ask(caller)
        await caller.until(lambda: len(turns(engine)) == 2)
        assert caller.closed is None


def closing(server: Running) -> dict[str, str]:
    return {HEADER: sign(TOKEN, "wss://phone.example/twilio/media")}


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_twilio_gets_the_credentials_of_the_account(
    serve: Serve, twilio: Twilio, status: int
) -> None:
    twilio.status = status
    table = {
        "auth_token": TOKEN,
        "account_sid": ACCOUNT,
        "public_url": PUBLIC,
        "api_url": twilio.url,
        "greeting": "",
    }
    server = serve(answering(["Bye.", HANG_UP]), server={"twilio": table})
    token = announce(server, TOKEN, PUBLIC)
    async with connected(server, headers=closing(server)) as caller:
        await caller.start(token)
        await ask(caller)
        assert await caller.until_closed() == (1000, "")
    assert twilio.requests == [
        {
            "path": f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json",
            "auth": "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode(),
            "body": "Status=completed",
        }
    ]


async def test_if_twilio_can_not_be_reached_closing_the_socket_ends_the_call(
    serve: Serve,
) -> None:
    table = {"auth_token": TOKEN, "account_sid": ACCOUNT, "public_url": PUBLIC, "greeting": ""}
    table["api_url"] = "http://127.0.0.1:1"
    server = serve(answering(["Bye.", HANG_UP]), server={"twilio": table})
    token = announce(server, TOKEN, PUBLIC)
    async with connected(server, headers=closing(server)) as caller:
        await caller.start(token)
        await ask(caller)
        assert await caller.until_closed() == (1000, "")
