"""A caller gets a greeting, responses, silence after an interruption, and a goodbye."""

from __future__ import annotations

import base64

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from assistant.messages import AssistantMessage, UserMessage
from assistant.testing import SlowTool
from tests.server.twilio.simulated_caller import (
    STREAM,
    Caller,
    announce,
    answering,
    calling,
    connected,
    loudness,
    new_call_sid,
    question,
    silence,
    turns,
)
from tests.support.serving import Running, Serve
from tests.support.tool_calls import call

pytestmark = pytest.mark.anyio

OPEN = {"insecure": True, "twilio": {"greeting": "Hello."}}
MUTE = {"insecure": True, "twilio": {"greeting": ""}}
LONG = "A long answer, of which the caller does not want to hear everything. " * 4
QUESTION = question("roll_a_dice")


def is_busy(server: Running) -> bool:
    """Returns whether another caller would get the busy tone. Takes a place if not."""
    answer = server.client.post("/twilio/voice", data={"CallSid": new_call_sid()})
    assert answer.status_code == 200, answer.text
    return b'<Reject reason="busy" />' in answer.content


async def ask(caller: Caller) -> None:
    """Sends a question, and the silence that ends the turn."""
    await caller.speak(QUESTION)
    await caller.speak(silence(1.0))


async def test_the_greeting_comes_first_and_is_in_the_history(serve: Serve) -> None:
    engine = answering(["Fine."])
    server = serve(engine, server=OPEN)
    async with calling(server) as caller:
        await caller.until(lambda: caller.received_s() >= 0.3)
        assert loudness(caller.received()) > 0.05
        await caller.until(lambda: caller.count("mark"))  # it has been returned by now
        await ask(caller)
        await caller.until(lambda: turns(engine))
    assert turns(engine)[0].messages[1] == AssistantMessage("Hello.")


async def test_an_interrupted_greeting_stops_and_only_its_beginning_is_in_the_history(
    serve: Serve,
) -> None:
    engine = answering(["Fine."])
    server = serve(engine, server={**OPEN, "twilio": {"greeting": LONG[:280]}})
    async with calling(server) as caller:
        await caller.until(lambda: caller.received_s() >= 0.4)
        await ask(caller)
        await caller.until(lambda: caller.count("clear"))
        await caller.until(lambda: turns(engine))
    said = turns(engine)[0].messages[1]
    assert isinstance(said, AssistantMessage)
    assert len(said.text) < 60
    assert LONG.startswith(said.text)


async def test_audio_is_sent_in_frames_of_twenty_milliseconds(serve: Serve) -> None:
    server = serve(answering(["Fine, thank you."]), server=MUTE)
    async with calling(server) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() >= 0.75)
        media = [message for message in caller.messages if message["event"] == "media"]
        assert {len(base64.b64decode(one["media"]["payload"])) for one in media} == {160}
        assert {one["streamSid"] for one in caller.messages} == {STREAM}
        assert loudness(caller.received()) > 0.05


async def test_speech_over_a_response_stops_it_and_the_history_has_what_was_played(
    serve: Serve,
) -> None:
    engine = answering([LONG], ["Yes?"])
    server = serve(engine, server=MUTE)
    async with calling(server) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() >= 1.0)
        await ask(caller)
        await caller.until(lambda: len(turns(engine)) == 2)
        await caller.until(lambda: caller.received_s(cleared(caller)) >= 0.15)
    assert caller.received_s() < 3.0  # of 14 seconds
    _, first, answer, second = turns(engine)[1].messages
    assert isinstance(first, UserMessage)
    assert isinstance(second, UserMessage)
    assert isinstance(answer, AssistantMessage)
    assert LONG.startswith(answer.text)
    assert 5 < len(answer.text) < 50


def cleared(caller: Caller) -> int:
    """The number of the last clear message."""
    return max(at for at, one in enumerate(caller.messages) if one["event"] == "clear")


async def test_a_cough_pauses_the_response_and_it_resumes_where_it_stopped(serve: Serve) -> None:
    engine = answering([LONG[:80]])
    server = serve(engine, server=MUTE)
    async with calling(server) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() >= 0.6)
        await caller.speak(QUESTION[3_000:4_600])  # 0.2 s of somebody's voice
        await caller.until(lambda: caller.count("clear"))
        await caller.speak(silence(0.5))
        before = caller.received_s()
        await caller.until(lambda: caller.received_s() >= 4.0)
        await caller.until(lambda: caller.messages[-1]["event"] == "mark")
    assert len(turns(engine)) == 1
    assert before < 2.0
    # All of its four seconds, and again what the clear dropped before it was played.
    assert 4.0 <= caller.received_s() < 4.6


async def test_pressed_keys_are_a_message_after_the_hash_key(serve: Serve) -> None:
    engine = answering(["Thank you."])
    server = serve(engine, server=MUTE)
    async with calling(server) as caller:
        await caller.press("42*7#")
        await caller.until(lambda: caller.received_s() >= 0.4)
    message = turns(engine)[0].messages[-1]
    assert isinstance(message, UserMessage)
    assert message.parts == ("42*7",)


async def test_keys_stop_the_response_that_plays(serve: Serve) -> None:
    engine = answering([LONG], ["Yes."])
    server = serve(engine, server=MUTE)
    async with calling(server, echoes=False) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() >= 0.5)
        await caller.press("1#")
        await caller.until(lambda: caller.count("clear"))
        await caller.until(lambda: caller.received_s(cleared(caller)) >= 0.15)
    assert caller.received_s() < 3.0


async def test_a_phrase_is_played_during_a_slow_tool(serve: Serve) -> None:
    slow = SlowTool("wait", blocking=True)
    engine = answering([call("wait")], ["Done."])
    server = serve(engine, slow.tool, server=MUTE)
    async with calling(server) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() >= 0.4)
        assert len(turns(engine)) == 1
        slow.release()
        await caller.until(lambda: len(turns(engine)) == 2)
    assert loudness(caller.received()) > 0.05


async def test_a_response_that_fails_is_an_apology(serve: Serve) -> None:
    engine = answering([ValueError("broken")], ["Fine."])
    server = serve(engine, server={**MUTE, "twilio": {"greeting": "", "apology": "Sorry, again."}})
    async with calling(server) as caller:
        await ask(caller)
        await caller.until(lambda: caller.received_s() >= 0.6)
        first = len(caller.messages)
        await ask(caller)
        await caller.until(lambda: caller.received_s(first) >= 0.2)


async def test_two_callers_talk_at_the_same_time(serve: Serve) -> None:
    server = serve(answering(["Fine, thank you."]), server=MUTE)
    async with calling(server) as one, calling(server) as other:
        await ask(one)
        await ask(other)
        await one.until(lambda: one.received_s() >= 0.7)
        await other.until(lambda: other.received_s() >= 0.7)
        assert server.metric("assistant_calls_running") == 2


async def test_the_turn_of_a_caller_who_hangs_up_is_stopped(serve: Serve) -> None:
    stopped = anyio.Event()
    reached = anyio.Event()

    async def endless() -> None:
        reached.set()
        try:
            await anyio.Event().wait()
        finally:
            stopped.set()

    server = serve(answering(["Well. ", endless]), server=MUTE)
    async with calling(server) as caller:
        await ask(caller)
        await caller.until(lambda: reached.is_set())
        await caller.hang_up()
        assert await caller.until_closed() == (1000, "")
    with anyio.fail_after(20):
        while not stopped.is_set():
            await anyio.to_thread.run_sync(server.client.get, "/health")


async def test_a_caller_beyond_the_limit_gets_the_busy_tone(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server={**OPEN, "twilio": {"max_calls": 1}})
    async with calling(server) as caller:
        await caller.until(lambda: caller.received_s() > 0)
        assert is_busy(server)


async def test_a_call_that_is_announced_takes_a_place(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server={**OPEN, "twilio": {"max_calls": 2}})
    tokens = {new_call_sid(): "" for _ in range(2)}
    for call_sid in tokens:
        tokens[call_sid] = announce(server, CallSid=call_sid)
    assert is_busy(server)
    for call_sid, token in tokens.items():
        assert announce(server, CallSid=call_sid) == token  # as Twilio repeats it
        async with connected(server) as caller:
            await caller.start(token, callSid=call_sid)
            await caller.until(lambda caller=caller: caller.received_s() > 0)


@pytest.mark.parametrize("sockets", [{"max_per_key": 1}, {"max_open": 1}])
async def test_connections_of_api_clients_take_no_places_from_callers(
    serve: Serve, sockets: dict[str, int]
) -> None:
    server = serve(answering(["Hi."]), server={**OPEN, "sockets": sockets})
    url = f"ws://127.0.0.1:{server.port}/v1/realtime"
    async with connect(url, proxy=None), calling(server) as first, calling(server) as second:
        for caller in (first, second):
            await caller.until(lambda caller=caller: caller.received_s() > 0)
        with pytest.raises(InvalidStatus):
            await connect(url, proxy=None)


async def test_callers_take_no_places_from_api_clients(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server={**OPEN, "sockets": {"max_per_key": 1}})
    url = f"ws://127.0.0.1:{server.port}/v1/realtime"
    async with calling(server), calling(server), connect(url, proxy=None) as socket:
        assert "session.created" in str(await socket.recv())


async def test_sockets_without_a_call_are_bounded(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server={**OPEN, "twilio": {"max_calls": 1}})
    async with connected(server), connected(server):
        with pytest.raises(InvalidStatus) as refused:
            async with connected(server):
                pass
    assert refused.value.response.status_code == 503


def test_callers_get_the_busy_tone_while_memory_is_short(serve: Serve) -> None:
    assert is_busy(serve(server={**OPEN, "limits": {"min_free_bytes": 2**60}}))
