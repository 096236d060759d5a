"""LiveKit's agents hold a spoken conversation with the server, with what they set by themselves."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.support.client_calls import (
    DICE,
    DICE_TEXT,
    QUIET_CLIENT,
    RATE,
    TOKYO,
    TOKYO_TEXT,
    Journal,
    check_speech,
    check_tool_ran,
    foreign,
    pieces,
    seconds_of,
)
from tests.support.serving import Running

with foreign():
    pytest.importorskip("livekit.plugins.openai", reason="needs livekit-plugins-openai")
    from livekit import rtc
    from livekit.agents import Agent, AgentSession, function_tool, utils
    from livekit.agents.stt import SpeechEventType as _Type
    from livekit.agents.voice import io
    from livekit.plugins import openai
    from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

pytestmark = [pytest.mark.anyio, QUIET_CLIENT]

SERVER_VAD = {"turn_detection": ServerVad(type="server_vad")}


def frames(name: str) -> list[rtc.AudioFrame]:
    return [rtc.AudioFrame(piece, RATE, 1, len(piece) // 2) for piece in pieces(name)]


class Microphone(io.AudioInput):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    def speak(self, name: str) -> None:
        for frame in frames(name):
            self._frames.put_nowait(frame)

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()


class Loudspeaker(io.AudioOutput):  # type: ignore[misc]
    """Plays by the clock, as the client's own outputs do. `played`: what was played."""

    def __init__(self) -> None:
        super().__init__(
            label="loudspeaker",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=RATE,
        )
        self.pcm = bytearray()
        self._loop = asyncio.get_running_loop()
        self._queued = bytearray()
        self._whole = False
        self._played_s = 0.0  # before the last pause
        self._since: float | None = None  # None: it pauses
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._queued:
            self._since = self._loop.time()
            self.on_playback_started(created_at=self._since)
        self._queued += frame.data.tobytes()

    def flush(self) -> None:
        super().flush()
        self._whole = bool(self._queued)
        self._schedule()

    def clear_buffer(self) -> None:
        if self._queued:
            self._finish(min(self._position_s(), seconds_of(self._queued)), interrupted=True)

    def pause(self) -> None:
        self._played_s, self._since = self._position_s(), None
        self._schedule()

    def resume(self) -> None:
        if self._queued and self._since is None:
            self._since = self._loop.time()
            self._schedule()

    def _position_s(self) -> float:
        return self._played_s + (self._loop.time() - self._since if self._since else 0.0)

    def _schedule(self) -> None:
        if self._end is not None:
            self._end.cancel()
        if self._whole and self._since is not None:
            length_s = seconds_of(self._queued)
            self._end = self._loop.call_later(
                max(0.0, length_s - self._position_s()), self._finish, length_s, False
            )

    def _finish(self, played_s: float, interrupted: bool) -> None:
        if self._end is not None:
            self._end.cancel()
        self.pcm += self._queued[: 2 * int(played_s * RATE)]
        self._queued, self._whole, self._played_s, self._end = bytearray(), False, 0.0, None
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)


class Host(Agent):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool  # type: ignore[untyped-decorator]
    async def roll_dice(self) -> str:
        """Roll a dice with six sides."""
        return "a four"


class Call:
    """One session; the journal has its events and, as dictionaries, those of the server."""

    def __init__(self, session: Any) -> None:
        self.journal = Journal()
        self.microphone, self.loudspeaker = Microphone(), Loudspeaker()
        session.input.audio, session.output.audio = self.microphone, self.loudspeaker
        for kind in _KINDS:
            session.on(kind, self.journal.add)

    async def until_said(self, text: str) -> Any:
        """Returns the message of the assistant, once it was played."""
        event = await self.journal.until(
            lambda event: kind(event) == "conversation_item_added" and said(event.item, text)
        )
        return event.item

    def all(self, wanted: str) -> list[Any]:
        return [event for event in self.journal.events if kind(event) == wanted]

    def sent_s(self, item_id: str) -> float:
        """Returns the seconds of audio of an item that the server sent."""
        deltas = self.all("response.output_audio.delta")
        data = [base64.b64decode(delta["delta"]) for delta in deltas if delta["item_id"] == item_id]
        return seconds_of(b"".join(data))

    def transcripts(self) -> list[str]:
        return [event.transcript for event in self.all("user_input_transcribed") if event.is_final]


_KINDS = (
    "agent_state_changed",
    "close",
    "conversation_item_added",
    "error",
    "function_tools_executed",
    "user_input_transcribed",
)


def said(item: Any, text: str = "") -> bool:
    """Returns whether it is a message of the assistant with that text."""
    return item.type == "message" and item.role == "assistant" and text in item.text_content


def kind(event: Any) -> str:
    return str(event["type"] if isinstance(event, dict) else event.type)


@asynccontextmanager
async def calling(server: Running, **chosen: Any) -> AsyncIterator[Call]:
    """Fails for a session in which there was an error, or that did not end well."""
    model = openai.realtime.RealtimeModel(
        base_url=f"http://127.0.0.1:{server.port}/v1", api_key="any", **chosen
    )
    # By default it drops the microphone's audio in the first seconds of the first answer.
    session: Any = AgentSession(llm=model, aec_warmup_duration=None)
    call = Call(session)
    try:
        await session.start(Host())
        sent = session.current_agent.realtime_llm_session
        sent.on("openai_server_event_received", call.journal.add)
        yield call
    finally:
        await session.aclose()
        await model.aclose()
    assert call.all("error") == []
    assert [event.error for event in call.all("close")] == [None]


@pytest.mark.parametrize("chosen", [{}, SERVER_VAD], ids=["as it is", "server_vad"])
async def test_two_spoken_turns_use_a_server_tool_and_a_client_tool(
    server: Running, chosen: dict[str, Any]
) -> None:
    async with calling(server, **chosen) as call:
        call.microphone.speak(TOKYO)
        await call.until_said("Tokyo")
        check_speech(call.loudspeaker.pcm)
        check_tool_ran(server, "date_time")

        call.loudspeaker.pcm.clear()
        call.microphone.speak(DICE)
        answer = await call.until_said("a four")
        check_speech(call.loudspeaker.pcm)
        assert not answer.interrupted
    assert call.transcripts() == [TOKYO_TEXT, DICE_TEXT]
    (ran,) = call.all("function_tools_executed")
    assert [output.output for output in ran.function_call_outputs] == ["a four"]
    assert call.all("conversation.item.truncated") == []


async def test_an_interrupted_response_is_truncated_to_what_was_played(server: Running) -> None:
    async with calling(server) as call:
        call.microphone.speak(TOKYO)
        await call.journal.until(lambda event: kind(event) == "response.done")
        call.microphone.speak(DICE)
        cut = await call.journal.until(lambda event: kind(event) == "conversation.item.truncated")
        await call.until_said("a four")
    over = next(e.item for e in call.all("conversation_item_added") if said(e.item))
    assert over.interrupted
    assert cut["item_id"] == over.id
    assert 0 < cut["audio_end_ms"] / 1000 < call.sent_s(over.id)


async def test_streaming_transcription_transcribes_two_questions(server: Running) -> None:
    async with utils.http_context.open():
        client = openai.STT(
            base_url=f"http://127.0.0.1:{server.port}/v1",
            api_key="any",
            model="gpt-4o-transcribe",
            use_realtime=True,
        )
        async with client.stream() as stream, anyio.create_task_group() as tasks:
            journal = Journal()
            tasks.start_soon(journal.follow, stream)
            for name, text in ((TOKYO, TOKYO_TEXT), (DICE, DICE_TEXT)):
                for frame in frames(name):
                    stream.push_frame(frame)
                for wanted in (_Type.START_OF_SPEECH, _Type.END_OF_SPEECH, _Type.FINAL_TRANSCRIPT):
                    event = await journal.until(lambda event, wanted=wanted: event.type == wanted)
                assert event.alternatives[0].text == text
            await stream.aclose()
        await client.aclose()
