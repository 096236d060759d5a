"""Pipecat holds a spoken conversation with the server, in a pipeline like that of its example."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
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
    Says,
    check_speech,
    check_tool_ran,
    foreign,
    pieces,
    seconds_of,
)
from tests.support.serving import Running

with foreign():
    pytest.importorskip("pipecat", reason="needs pipecat-ai[openai]")
    from loguru import logger
    from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
    from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
    from pipecat.frames import frames
    from pipecat.observers.base_observer import BaseObserver
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker
    from pipecat.processors.aggregators.llm_context import LLMContext
    from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
    from pipecat.services.openai.realtime import events
    from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
    from pipecat.services.openai.stt import OpenAIRealtimeSTTService
    from pipecat.transports.base_output import BaseOutputTransport
    from pipecat.transports.base_transport import TransportParams
    from pipecat.workers.runner import WorkerRunner

pytestmark = [pytest.mark.anyio, QUIET_CLIENT]

DICE_TOOL = FunctionSchema(
    name="roll_dice", description="Roll a dice with six sides.", properties={}, required=[]
)


@pytest.fixture(autouse=True)
def no_complaints() -> Iterator[None]:
    """This client has a logger of its own."""
    lines: list[str] = []
    logger.remove()
    logger.add(lines.append, level="WARNING")
    yield
    logger.remove()
    assert lines == []


class Watch(BaseObserver):  # type: ignore[misc]
    """Writes every frame into a journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(observe_every_push=False)
        self._journal = journal

    async def on_push_frame(self, data: Any) -> None:
        self._journal.add(data.frame)


class Loudspeaker(BaseOutputTransport):  # type: ignore[misc]
    """Plays in real time, as the client's own outputs do: the clock counts what was played.
    `audio`: all of it.
    """

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_out_enabled=True))
        self.pcm = bytearray()

    def take(self) -> bytes:
        """Returns what was played since the last call."""
        pcm = bytes(self.pcm)
        self.pcm.clear()
        return pcm

    async def start(self, frame: Any) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: Any) -> bool:
        self.pcm += frame.audio
        await anyio.sleep(seconds_of(frame.audio))
        return True


class Call:
    def __init__(self, worker: Any, journal: Journal) -> None:
        self.worker = worker
        self.journal = journal

    async def speak(self, name: str, *, paced: bool = False) -> None:
        """`paced`: in real time."""
        for piece in pieces(name, 0.02):
            frame = frames.InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1)
            await self.worker.queue_frame(frame)
            if paced:
                await anyio.sleep(seconds_of(piece))

    async def until(self, kind: Any) -> Any:
        return await self.journal.until(lambda frame: isinstance(frame, kind))

    async def until_spoken(self) -> None:
        """Waits until the next answer has been played."""
        await self.until(frames.BotStartedSpeakingFrame)
        await self.until(frames.BotStoppedSpeakingFrame)

    def all(self, kind: Any) -> list[Any]:
        return [frame for frame in self.journal.events if isinstance(frame, kind)]


@asynccontextmanager
async def calling(*processors: Any) -> AsyncIterator[Call]:
    """Runs the pipeline to its end, and fails for an error in it."""
    journal = Journal()
    worker = PipelineWorker(
        Pipeline(list(processors)),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        observers=[Watch(journal)],
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    call = Call(worker, journal)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run)
        try:
            yield call
            await worker.queue_frame(frames.EndFrame())
        except BaseException:
            await worker.cancel()
            raise
    assert [frame.error for frame in call.all(frames.ErrorFrame)] == []


class Conversation:
    """The parts of a pipeline. `remembered`: the messages, as the client has them."""

    def __init__(self, server: Running, detection: Any) -> None:
        audio_input = events.AudioInput(
            transcription=events.InputAudioTranscription(), turn_detection=detection
        )
        audio = events.AudioConfiguration(input=audio_input)
        self.service = OpenAIRealtimeLLMService(
            api_key="any",
            base_url=f"ws://127.0.0.1:{server.port}/v1/realtime",
            settings=OpenAIRealtimeLLMService.Settings(
                system_instruction="Be brief.",
                session_properties=events.SessionProperties(audio=audio),
            ),
        )
        self.service.register_function("roll_dice", _roll_dice)
        self.loudspeaker = Loudspeaker()
        context = LLMContext(tools=ToolsSchema(standard_tools=[DICE_TOOL]))
        self.remembered = context.messages
        self._pair = LLMContextAggregatorPair(context)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Call]:
        """It begins with a greeting."""
        parts = (self._pair.user(), self.service, self.loudspeaker, self._pair.assistant())
        async with calling(*parts) as call:
            await call.worker.queue_frame(frames.LLMRunFrame())
            await call.until_spoken()
            yield call


async def _roll_dice(params: Any) -> None:
    await params.result_callback("a four")


@pytest.mark.parametrize(
    "detection",
    [events.SemanticTurnDetection(), events.TurnDetection(), None],
    ids=["semantic_vad", "server_vad", "as it is"],
)
async def test_two_spoken_turns_use_a_server_tool_and_a_client_tool(
    server: Running, detection: Any
) -> None:
    conversation = Conversation(server, detection)
    loudspeaker = conversation.loudspeaker
    async with conversation.running() as call:
        check_speech(loudspeaker.take())
        await call.speak(TOKYO)
        await call.until_spoken()
        check_speech(loudspeaker.take())
        check_tool_ran(server, "date_time")

        await call.speak(DICE)
        await call.until(frames.FunctionCallResultFrame)
        await call.until_spoken()
        check_speech(loudspeaker.take())
    greeting, *told = [
        (message["role"], message.get("content")) for message in conversation.remembered
    ]
    assert greeting == ("assistant", Says(""))
    assert told[:3] == [("user", TOKYO_TEXT), ("assistant", Says("Tokyo")), ("user", DICE_TEXT)]
    # Between them come the call and the text before it, in either order.
    assert told[-1] == ("assistant", Says("a four"))


async def test_an_interrupted_response_is_truncated_to_what_was_played(server: Running) -> None:
    conversation = Conversation(server, events.SemanticTurnDetection())
    said: list[str] = []
    conversation.service.add_event_handler(
        "on_conversation_item_created",
        lambda _service, item_id, item: said.append(item_id) if item.role == "assistant" else None,
    )
    async with conversation.running() as call:
        await call.speak(TOKYO)
        await call.until(frames.TTSStoppedFrame)  # all of it is here, and little was played yet
        await call.speak(DICE)
        await call.until(frames.InterruptionFrame)
        cut = await conversation.service.retrieve_conversation_item(said[1])
        await call.until(frames.FunctionCallResultFrame)
        await call.until_spoken()
    assert "Japan" not in cut.content[0].transcript
    assert conversation.remembered[-1] == {"role": "assistant", "content": Says("a four")}


@pytest.mark.parametrize(
    "detection", [False, {"type": "server_vad"}], ids=["as it is", "server_vad"]
)
async def test_streaming_transcription_transcribes_two_questions(
    server: Running, detection: Any
) -> None:
    """The client ends a turn by its own detector, which is its default.

    It sends audio before the end, which must not be a turn yet: speech comes in real time.
    """
    service = OpenAIRealtimeSTTService(
        api_key="any",
        base_url=f"ws://127.0.0.1:{server.port}/v1/realtime",
        turn_detection=detection,
    )
    async with calling(service) as call:
        for name, text in ((TOKYO, TOKYO_TEXT), (DICE, DICE_TEXT)):
            await call.speak(name, paced=not detection)
            if not detection:
                await call.worker.queue_frame(frames.VADUserStoppedSpeakingFrame())
            assert (await call.until(frames.TranscriptionFrame)).text == text
