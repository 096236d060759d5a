"""Messages that Twilio never sends are refused, ignored or delayed."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from tests.server.twilio.simulated_caller import (
    STREAM,
    Caller,
    announce,
    answering,
    calling,
    connected,
    question,
    silence,
    turns,
)
from tests.support.serving import Serve

pytestmark = pytest.mark.anyio

MUTE = {"insecure": True, "twilio": {"greeting": ""}}


async def still_answers(caller: Caller) -> None:
    first = len(caller.messages)
    await caller.speak(question("roll_a_dice"))
    await caller.speak(silence(1.0))
    await caller.until(lambda: caller.received_s(first) > 0.1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "[" * 50_000,
        '{"event": "media"}',
        '{"event": "media", "streamSid": 7, "media": {"payload": ""}}',
        f'{{"event": "media", "streamSid": "{STREAM}", "media": {{"payload": "@@@@"}}}}',
        f'{{"event": "dtmf", "streamSid": "{STREAM}", "dtmf": {{"digit": "42"}}}}',
        f'{{"event": "mark", "streamSid": "{STREAM}", "mark": {{"name": "{"x" * 300}"}}}}',
        f'{{"event": "start", "streamSid": "{STREAM}", "start": {{"callSid": "CA1"}}}}',
    ],
)
async def test_a_message_that_is_not_twilios_ends_the_call(serve: Serve, text: str) -> None:
    server = serve(answering(["Hi."]), server=MUTE)
    async with calling(server) as caller:
        await caller.send_raw(text)
        code, reason = await caller.until_closed()
        assert code == 1008
        assert "\n" not in reason


@pytest.mark.parametrize(
    "first",
    [
        {"event": "media", "streamSid": STREAM, "media": {"payload": "//8="}},
        {"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": "1"}},
        {"event": "stop", "streamSid": STREAM},
        {"event": "start", "streamSid": "", "start": {"callSid": "CA1"}},
        {"event": "start", "streamSid": STREAM, "start": {"callSid": "../../x y"}},
    ],
)
async def test_a_call_must_begin_with_its_start_message(
    serve: Serve, first: dict[str, Any]
) -> None:
    server = serve(answering(["Hi."]), server=MUTE)
    async with connected(server) as caller:
        await caller.send_raw(json.dumps(first))
        assert (await caller.until_closed())[0] == 1008


@pytest.mark.parametrize(
    "changed", [{"encoding": "audio/x-l16"}, {"sampleRate": 16_000}, {"channels": 2}]
)
async def test_audio_in_another_format_is_refused(serve: Serve, changed: dict[str, Any]) -> None:
    server = serve(answering(["Hi."]), server=MUTE)
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1, **changed}
    token = announce(server)
    async with connected(server) as caller:
        await caller.start(token, mediaFormat=form)
        assert await caller.until_closed() == (1008, "audio must be mu-law, 8 kHz, mono")


@pytest.mark.parametrize("size", [70_000, 5_000_000])
async def test_an_oversized_message_ends_the_call(serve: Serve, size: int) -> None:
    server = serve(answering(["Hi."]), server=MUTE, options={"ws_max_size": 4 * 2**20})
    async with calling(server) as caller:
        await caller.send_raw("x" * size)
        assert (await caller.until_closed())[0] == 1009


async def test_a_binary_message_ends_the_call(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server=MUTE)
    async with calling(server) as caller:
        await caller.send_raw(b"\xff" * 160)
        assert (await caller.until_closed())[0] == 1003


async def test_unknown_events_and_other_streams_are_ignored(serve: Serve) -> None:
    engine = answering(["Fine."])
    server = serve(engine, server=MUTE)
    async with calling(server) as caller:
        await caller.send_raw('{"event": "weather", "streamSid": 7}')
        await caller.send("mark", mark={"name": "never sent"})
        other = {"event": "dtmf", "streamSid": "MZ_other", "dtmf": {"digit": "#"}}
        await caller.send_raw(json.dumps({**other, "dtmf": {"digit": "1"}}))
        await caller.send_raw(json.dumps(other))
        await caller.send_raw('{"event": "stop", "streamSid": "MZ_other"}')
        noise = base64.b64encode(bytes(160)).decode()
        outbound = {"track": "outbound", "payload": noise}
        for _ in range(100):
            await caller.send("media", media=outbound)
        await still_answers(caller)
    assert len(turns(engine)) == 1


async def test_a_flood_of_messages_before_the_start_is_refused(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server=MUTE)
    async with connected(server) as caller:
        for _ in range(20):
            await caller.send_raw('{"event": "connected"}')
        assert await caller.until_closed() == (1008, "a call begins with its start message")


async def test_a_socket_carries_only_one_call(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server=MUTE)
    async with calling(server) as caller:
        await caller.start("another")
        assert await caller.until_closed() == (1008, "a call has one start message")


async def test_frames_of_any_length_are_accepted(serve: Serve) -> None:
    server = serve(answering(["Fine."]), server=MUTE)
    async with calling(server) as caller:
        await caller.frame(b"")
        await caller.frame(b"\xff")
        await caller.frame(b"\xff" * 8_000)
        await still_answers(caller)


async def test_noise_alone_starts_no_turn(serve: Serve) -> None:
    engine = answering(["Fine."])
    server = serve(engine, server=MUTE)
    noise = np.random.default_rng(0).normal(0, 900, 8_000 * 10).astype(np.int16)
    async with calling(server) as caller:
        await caller.speak(noise)
        await still_answers(caller)
    assert len(turns(engine)) == 1


async def test_a_lost_socket_ends_the_call(serve: Serve) -> None:
    server = serve(answering(["Fine. " * 40]), server=MUTE)
    async with calling(server) as caller:
        await still_answers(caller)
        caller.lose()
    server.stop()
    assert server.metric("assistant_calls_total", ended_by="lost") == 1
    assert server.metric("assistant_calls_running") == 0
