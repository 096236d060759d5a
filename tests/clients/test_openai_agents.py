"""OpenAI's Agents SDK holds a spoken conversation with the server, with what it sets by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
import pytest

from tests.support.client_calls import (
    DICE,
    DICE_TEXT,
    PATIENCE_S,
    QUIET_CLIENT,
    TOKYO,
    TOKYO_TEXT,
    Says,
    check_speech,
    check_tool_ran,
    foreign,
    pieces,
    seconds_of,
)
from tests.support.serving import Running

with foreign():
    pytest.importorskip("agents.realtime", reason="needs openai-agents")
    from agents import function_tool
    from agents.realtime import RealtimeAgent, RealtimeRunner
    from agents.voice import StreamedAudioInput, STTModelSettings
    from agents.voice.models.openai_stt import OpenAISTTModel
    from openai import AsyncOpenAI

pytestmark = [pytest.mark.anyio, QUIET_CLIENT]

SERVER_VAD = {"turn_detection": {"type": "server_vad"}}


@function_tool
def roll_dice() -> str:
    """Roll a dice with six sides."""
    return "a four"


class Call:
    """One session. `events`: all events but audio and what the server sent, by type."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.pcm = bytearray()
        self.events: list[Any] = []
        self.sent: list[dict[str, Any]] = []
        self._iterator = aiter(session)

    async def speak(self, name: str) -> None:
        for piece in pieces(name):
            await self.session.send_audio(piece)

    async def until(self, done: Callable[[Any], bool]) -> Any:
        """Returns the first event that satisfies the condition; an error is a failure."""
        with anyio.fail_after(PATIENCE_S):
            async for event in self._iterator:
                self._see(event)
                if done(event):
                    return event
        raise AssertionError("the session ended too early")

    def _see(self, event: Any) -> None:
        assert event.type != "error", event.error
        if event.type == "audio":
            self.pcm += event.audio.data
        elif event.type == "raw_model_event":
            assert event.data.type not in ("error", "exception"), event.data
            if event.data.type == "raw_server_event":
                assert event.data.data["type"] != "error", event.data.data
                self.sent.append(event.data.data)
        else:
            self.events.append(event)

    async def until_sent(self, kind: str) -> dict[str, Any]:
        """Returns the next event of the server of that type."""
        while not self.sent or self.sent[-1]["type"] != kind:
            await self.until(lambda event: event.type == "raw_model_event")
        return self.sent[-1]

    async def until_played(self) -> bytes:
        """Waits for the end of the answer, and listens to it: the client knows by the clock
        how much of it was played, and a question that comes before is an interruption.
        """
        await self.until(lambda event: event.type == "agent_end")
        pcm = self.take_audio()
        await anyio.sleep(seconds_of(pcm))
        return pcm

    def take_audio(self) -> bytes:
        """What has come since."""
        pcm = bytes(self.pcm)
        self.pcm.clear()
        return pcm

    def history(self) -> list[tuple[str, str]]:
        """Returns the roles and texts of the client's history."""
        updates = [event.history for event in self.events if event.type == "history_updated"]
        return [
            (item.role, "".join(part.transcript or "" for part in item.content))
            for item in updates[-1]
            if item.type == "message"
        ]

    def types(self) -> list[str]:
        """Returns the events that the server sent."""
        return [event["type"] for event in self.sent]


@asynccontextmanager
async def calling(server: Running, **settings: Any) -> AsyncIterator[Call]:
    agent: Any = RealtimeAgent(name="Host", instructions="Be brief.", tools=[roll_dice])
    config: Any = {
        "url": f"ws://127.0.0.1:{server.port}/v1/realtime?model=any",
        "api_key": "any",
        "initial_model_settings": settings,
    }
    async with await RealtimeRunner(agent).run(model_config=config) as session:
        yield Call(session)


@pytest.mark.parametrize("chosen", [{}, SERVER_VAD], ids=["as it is", "server_vad"])
async def test_two_spoken_turns_use_a_server_tool_and_a_client_tool(
    server: Running, chosen: dict[str, Any]
) -> None:
    async with calling(server, **chosen) as call:
        await call.speak(TOKYO)
        check_speech(await call.until_played())
        check_tool_ran(server, "date_time")

        await call.speak(DICE)
        ran = await call.until(lambda event: event.type == "tool_end")
        assert (ran.tool.name, ran.output) == ("roll_dice", "a four")
        check_speech(await call.until_played())

    assert call.history() == [
        ("user", TOKYO_TEXT),
        ("assistant", Says("Tokyo")),
        ("user", DICE_TEXT),
        ("assistant", Says("")),  # its text before it calls the tool
        ("assistant", Says("a four")),
    ]
    assert "conversation.item.truncated" not in call.types()


async def test_an_interrupted_response_is_truncated_to_what_was_played(server: Running) -> None:
    async with calling(server) as call:
        await call.speak(TOKYO)
        await call.until(lambda event: event.type == "audio_end")
        spoken = call.take_audio()
        await call.speak(DICE)
        cut = await call.until_sent("conversation.item.truncated")
        await call.until(lambda event: event.type == "tool_end")
        check_speech(await call.until_played())
    assert 0 < cut["audio_end_ms"] / 1000 < seconds_of(spoken)
    told = call.history()
    assert told[1][0] == "assistant"
    assert "Japan" not in told[1][1]
    assert told[-1] == ("assistant", Says("a four"))


async def test_streaming_transcription_transcribes_two_questions(server: Running) -> None:
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="any")
    pcm = StreamedAudioInput()
    model = OpenAISTTModel("gpt-4o-transcribe", client)
    session = await model.create_session(pcm, STTModelSettings(), False, False)
    for piece in (*pieces(TOKYO), *pieces(DICE)):
        await pcm.add_audio(np.frombuffer(piece, "<i2"))
    await pcm.add_audio(None)
    with anyio.fail_after(PATIENCE_S):
        assert [turn async for turn in session.transcribe_turns()] == [TOKYO_TEXT, DICE_TEXT]
    await session.close()
    await client.close()
