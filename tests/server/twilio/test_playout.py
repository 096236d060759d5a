"""Behavior over time, by a clock that the test moves."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from assistant import Assistant
from assistant.audio.g711 import MU_LAW
from assistant.config import LibrarySettings, LiveSettings, ServerSettings, Settings
from assistant.live.conversation import LiveConversation
from assistant.live.phrase_cache import PhraseCache
from assistant.messages import AssistantMessage, UserMessage
from assistant.server.http.websockets import NORMAL
from assistant.server.metrics import LiveMetrics, Metrics
from assistant.server.twilio.hang_up import HANG_UP
from assistant.server.twilio.telephone import Telephone
from assistant.testing import ScriptedEngine
from assistant.testing.clock import ManualClock
from tests.server.twilio.simulated_caller import CALL, STREAM, answering, question, turns

pytestmark = pytest.mark.anyio

FRAME = b"\xff" * 160
TEXT = "It will take a while to answer this one."
GOODBYE = "The call is over."


class Line:
    """A socket in memory."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self._in, self._out = anyio.create_memory_object_stream[str | None](1_000_000)

    def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def room(self) -> None:
        pass

    async def receive(self) -> str | None:
        return None if self.closed else await self._out.receive()

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        if self.closed is None:
            self.closed = (code, reason)
            self._in.send_nowait(None)

    def give(self, event: str, **values: Any) -> None:
        self._in.send_nowait(json.dumps({"event": event, "streamSid": STREAM, **values}))

    def push_audio(self, data: bytes = FRAME) -> None:
        self.give("media", media={"payload": base64.b64encode(data).decode()})

    @property
    def received_s(self) -> float:
        return sum(message["event"] == "media" for message in self.sent) * 0.02

    @property
    def waiting(self) -> int:
        return int(self._out.statistics().current_buffer_used)

    def finish(self) -> None:
        self._in.close()
        self._out.close()


class Stage:
    """A telephone and one line to it."""

    def __init__(self, assistant: Assistant, engine: ScriptedEngine, **table: Any) -> None:
        self.clock = ManualClock()
        self.line = Line()
        self.engine = engine
        self.draining = anyio.Event()
        self.assistant = assistant
        table = {"greeting": "", "farewell": GOODBYE, **table}
        settings = ServerSettings.model_validate({"insecure": True, "twilio": table})
        self.metrics = Metrics()
        self.telephone = Telephone(settings, self.metrics, self.draining, self.clock)
        self.telephone.start(assistant, PhraseCache(assistant))
        self.talks = False

    def open(self) -> LiveConversation:
        session = self.assistant.session(client_tools=(HANG_UP,))
        return LiveConversation(
            session, LiveSettings(), input_rate=8_000, pausable=True, clock=self.clock
        )

    async def run(self) -> None:
        await self.telephone.take(self.line, self.open, LiveMetrics(self.metrics.registry))

    async def start(self) -> None:
        token = self.telephone.announced.add(CALL)
        self.line.give("start", start={"callSid": CALL, "customParameters": {"token": token}})
        await self.advance(0)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def talk(self, seconds: float) -> None:
        """Time passes, and the line sends silence in it, as Twilio does."""
        for _ in range(round(seconds / 0.5)):
            for _ in range(25):
                self.line.push_audio()
            await self.advance(0.5)

    async def ask(self) -> None:
        data = MU_LAW.encode(question("roll_a_dice")) + FRAME * 50
        for at in range(0, len(data), 160):
            self.line.push_audio(data[at : at + 160])
        await self.advance(0)


@pytest.fixture
async def assistant(tmp_path: Path) -> AsyncIterator[tuple[Assistant, ScriptedEngine]]:
    engine = answering([TEXT])
    settings = Settings(library=LibrarySettings(folder=tmp_path / "voices"))
    async with Assistant(settings, engine=engine) as made:
        yield made, engine


@pytest.fixture
async def stage(assistant: tuple[Assistant, ScriptedEngine]) -> AsyncIterator[Stage]:
    made = Stage(*assistant)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        await made.advance(0)
        yield made
        tasks.cancel_scope.cancel()
    made.line.finish()


async def test_pressed_keys_are_a_message_after_a_pause(stage: Stage) -> None:
    await stage.start()
    for key in "427":
        stage.line.give("dtmf", dtmf={"digit": key})
        await stage.advance(1.9)
    assert turns(stage.engine) == []
    await stage.advance(0.2)
    message = turns(stage.engine)[0].messages[-1]
    assert isinstance(message, UserMessage)
    assert message.parts == ("427",)
    await stage.talk(3.0)
    assert len(turns(stage.engine)) == 1


async def test_a_socket_without_a_call_is_closed_after_ten_seconds(stage: Stage) -> None:
    stage.line.give("connected")
    await stage.advance(9.9)
    assert stage.line.closed is None
    await stage.advance(0.2)
    assert stage.line.closed == (1008, "no call has started")


async def test_a_call_without_audio_is_ended(stage: Stage) -> None:
    await stage.start()
    await stage.talk(20.0)  # of silence, which is not truncated
    assert stage.line.closed is None
    await stage.advance(14.0)
    assert stage.line.closed is None
    await stage.advance(2.0)
    assert stage.line.closed == (1001, "no audio arrives from the call")
    assert stage.metrics.registry.get_sample_value("assistant_calls_total", {"ended_by": "lost"})


async def test_a_call_at_its_limit_gets_a_whole_farewell(
    assistant: tuple[Assistant, ScriptedEngine],
) -> None:
    stage = Stage(*assistant, max_call_s=20.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run)
        await stage.start()
        await stage.talk(20.0)
        assert stage.line.sent == []
        await stage.talk(1.0)
        assert stage.line.closed is None
        await stage.talk(5.0)
        tasks.cancel_scope.cancel()
    stage.line.finish()
    assert stage.line.closed == (1000, "")
    assert stage.line.received_s == pytest.approx(len(GOODBYE) * 0.05, abs=0.1)
    assert stage.metrics.registry.get_sample_value("assistant_calls_total", {"ended_by": "limit"})


async def test_a_server_that_stops_lets_the_response_end_and_plays_a_farewell(stage: Stage) -> None:
    await stage.start()
    await stage.ask()
    stage.draining.set()
    await stage.talk(1.5)
    assert stage.line.received_s == pytest.approx(1.9, abs=0.1)  # of the answer, which has two
    assert stage.line.closed is None
    await stage.talk(6.0)
    assert stage.line.closed == (1001, "")
    whole = len(TEXT) + len(GOODBYE)
    assert stage.line.received_s == pytest.approx(whole * 0.05, abs=0.15)


async def test_a_call_that_returns_no_marks_is_ended_after_a_while(
    assistant: tuple[Assistant, ScriptedEngine],
) -> None:
    stage = Stage(*assistant, max_call_s=1.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run)
        await stage.start()
        await stage.talk(1.5)
        seconds = 0.0
        while stage.line.closed is None:
            await stage.talk(0.5)
            seconds += 0.5
        tasks.cancel_scope.cancel()
    stage.line.finish()
    assert len(GOODBYE) * 0.05 < seconds <= len(GOODBYE) * 0.05 + 3.0


async def test_audio_generated_faster_than_real_time_is_paced(stage: Stage) -> None:
    await stage.start()
    for _ in range(30 * 50):
        stage.line.push_audio()
    await stage.advance(0)
    assert stage.line.waiting == pytest.approx(10 * 50, abs=2)
    await stage.advance(5.5)
    assert stage.line.waiting == pytest.approx(5 * 50, abs=55)


@pytest.mark.parametrize(
    ("event", "values", "per_s"),
    [
        ("dtmf", {"dtmf": {"digit": "1"}}, 12.5),
        ("mark", {"mark": {"name": "never sent"}}, 100),
        ("media", {"media": {"payload": "", "track": "outbound"}}, 100),
        ("unheard-of", {}, 100),
        ("media", {"media": {"payload": ""}}, 100),
    ],
)
async def test_messages_are_read_no_faster_than_twilio_sends_them(
    stage: Stage, event: str, values: dict[str, Any], per_s: float
) -> None:
    await stage.start()
    for _ in range(4_000):
        stage.line.give(event, **values)
    await stage.advance(1.0)
    before = stage.line.waiting
    assert before > 1_500  # a burst is read at once
    await stage.advance(4.0)
    assert before - stage.line.waiting == pytest.approx(4 * per_s, rel=0.3)


async def test_marks_say_how_much_was_played(stage: Stage) -> None:
    """The line plays everything 0.3 s late; the history knows, once the answer is interrupted."""
    await stage.start()
    await stage.ask()
    echoed = 0
    for step in range(20):
        stage.line.push_audio(FRAME * 4)
        await stage.advance(0.08)
        marks = [one["mark"] for one in stage.line.sent if one["event"] == "mark"]
        due = [mark for number, mark in enumerate(marks) if (number + 1) * 0.5 + 0.3 <= step * 0.08]
        for mark in due[echoed:]:
            stage.line.give("mark", mark=mark)
        echoed = len(due)
    await stage.ask()
    answer = turns(stage.engine)[1].messages[2]
    assert isinstance(answer, AssistantMessage)
    assert TEXT.startswith(answer.text)
    assert 20 < len(answer.text) <= 26  # 1.3 of two seconds; by the time it was sent, 1.6
