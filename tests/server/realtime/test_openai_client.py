"""OpenAI's own client holds a spoken conversation with the server as it comes out of the box."""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import openai
import pytest

from assistant.config import Settings
from assistant.engines import create_engine
from tests.server.realtime.realtime_client import DICE, TOKYO, check, speech
from tests.support.serving import Running, Serve

pytestmark = pytest.mark.anyio

DICE_TOOL = {
    "type": "function",
    "name": "roll_dice",
    "description": "Roll a dice with six sides.",
    "parameters": {"type": "object", "properties": {}},
}


def connected(server: Running, **options: Any) -> Any:
    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="x")
    return client.realtime.connect(model="gpt-realtime", **options)


async def speak(connection: Any, name: str) -> None:
    data = speech(name)
    for at in range(0, len(data), 9_600):
        piece = base64.b64encode(data[at : at + 9_600]).decode()
        await connection.input_audio_buffer.append(audio=piece)


async def until(connection: Any, kind: str) -> list[Any]:
    events = []
    with anyio.fail_after(60):
        async for event in connection:
            check(event.to_dict())
            assert event.type != "error", event
            events.append(event)
            if event.type == kind:
                return events
    raise AssertionError(f"the connection ended before {kind}")


async def test_two_spoken_turns_use_a_server_tool_and_a_client_tool(
    serve: Serve,
) -> None:
    server = serve(create_engine(Settings()))
    async with connected(server) as connection:
        await until(connection, "session.created")
        session = {
            "type": "realtime",
            "tools": [DICE_TOOL],
            "audio": {"input": {"transcription": {"model": "whisper-1"}}},
        }
        await connection.session.update(session=session)
        await speak(connection, TOKYO)
        first = await until(connection, "response.done")
        assert "Tokyo" in said(first)
        assert transcript_of(first) == "what time is it in tokyo"
        assert len(pcm(first)) > 24_000

        await speak(connection, DICE)
        second = await until(connection, "response.done")
        call = second[-1].response.output[-1]
        assert (call.type, call.name, call.status) == ("function_call", "roll_dice", "completed")
        assert json.loads(call.arguments) == {}
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "a four"}
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        third = await until(connection, "response.done")
        assert "four" in said(third)
        assert len(pcm(third)) > 24_000
    types = [event.type for event in second]
    assert types.index("input_audio_buffer.committed") < types.index("response.created")


def said(events: list[Any]) -> str:
    return "".join(e.delta for e in events if e.type == "response.output_audio_transcript.delta")


def transcript_of(events: list[Any]) -> str:
    kind = "conversation.item.input_audio_transcription.completed"
    return "".join(e.transcript for e in events if e.type == kind)


def pcm(events: list[Any]) -> bytes:
    deltas = [e.delta for e in events if e.type == "response.output_audio.delta"]
    return b"".join(base64.b64decode(delta) for delta in deltas)
