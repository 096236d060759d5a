"""A telephone call with the default settings: a spoken question gets a spoken answer."""

from __future__ import annotations

import pytest

from assistant.audio.g711 import MU_LAW
from assistant.config import Settings
from assistant.engines import create_engine
from tests.server.twilio.simulated_caller import FRAME, calling, loudness, question, silence
from tests.support.serving import Serve

pytestmark = pytest.mark.anyio


async def test_a_spoken_question_is_transcribed_looked_up_and_answered(serve: Serve) -> None:
    server = serve(create_engine(Settings()), server={"insecure": True})
    async with calling(server) as caller:
        await caller.until(lambda: caller.received_s() > 0.5)
        assert loudness(caller.received()) > 0.01  # the greeting
        await caller.speak(question("what_time_is_it_in_tokyo"))
        first = len(caller.messages)
        await caller.speak(silence(1.5))
        await caller.until(lambda: caller.received_s(first) > 2.0)  # a lead-in, and the answer
        assert loudness(caller.received(first)) > 0.01
        await caller.hang_up()
        assert (await caller.until_closed())[0] == 1000
    server.stop()
    assert server.metric("assistant_tool_calls_total", tool="date_time", outcome="ok") == 1
    assert server.metric("assistant_calls_total", ended_by="caller") == 1


async def test_frames_that_come_twice_or_out_of_order_are_put_in_order(
    serve: Serve,
) -> None:
    table = {"insecure": True, "twilio": {"greeting": ""}}
    server = serve(create_engine(Settings()), server=table)
    data = MU_LAW.encode(question("what_time_is_it_in_tokyo"))
    frames = [data[at : at + FRAME] for at in range(0, len(data) - FRAME + 1, FRAME)]
    async with calling(server) as caller:
        for number in range(0, len(frames) - 1, 2):
            await caller.frame(frames[number + 1], chunk=number + 1)
            await caller.frame(frames[number], chunk=number)
            await caller.frame(frames[number], chunk=number)
        for number in range(len(frames), len(frames) + 75):
            await caller.frame(b"\xff" * FRAME, chunk=number)
        await caller.until(
            lambda: server.metric("assistant_tool_calls_total", tool="date_time", outcome="ok")
        )
