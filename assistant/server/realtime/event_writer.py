"""Writes the server events of the live conversation: what happens in it, told to the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assistant.audio.samples import Audio
from assistant.events import (
    AudioChunk,
    Event,
    Failed,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    ToolProgress,
    Transcript,
    VoiceChanged,
)
from assistant.live.events import (
    Interrupted,
    LeadInAudio,
    LiveEvent,
    ResponseEnded,
    ResponseEvent,
    ResponsePaused,
    ResponseResumed,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    UserTurn,
)
from assistant.messages import UserMessage
from assistant.server.metrics import LiveMeter
from assistant.server.realtime import extensions as ours
from assistant.server.realtime import item_schema as shapes
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.active_responses import (
    ActiveResponses,
    RunningResponse,
    SpokenQuestion,
)
from assistant.server.realtime.items import Item
from assistant.server.realtime.live_control import LiveControl
from assistant.server.realtime.response import ResponseWriter
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.server_events import new_id
from assistant.server.realtime.session import RealtimeSession
from assistant.server.realtime.transcripts import Transcripts

Json = dict[str, Any]


class ServerEventWriter:
    """Turns each event of the live conversation into server events, which `emit` sends.

    `extensions` adds this project's own events to OpenAI's.
    """

    def __init__(
        self,
        session: RealtimeSession,
        responses: ActiveResponses,
        control: LiveControl,
        transcripts: Transcripts,
        meter: LiveMeter,
        emit: Callable[[Json], None],
        *,
        extensions: bool,
    ) -> None:
        self._session = session
        self._responses = responses
        self._control = control
        self._transcripts = transcripts
        self._meter = meter
        self._emit = emit
        self._extensions = extensions
        self._speech_item_id = ""
        self._question: SpokenQuestion | None = None

    def handle(self, event: LiveEvent) -> None:
        """Writes what the event means to a client."""
        wait_s = self._meter.handle(event)
        match event:
            case SpeechStarted():
                self._speech_item_id = new_id("item")
                self._emit(wire.speech_started(self._speech_item_id, event.at))
            case SpeechStopped():
                self._emit(wire.speech_stopped(self._speech_item_id, event.at))
            case UserTurn():
                self._user_turn(event)
            case ResponseStarted():
                self._response_started(event)
            case _:
                self._response_event(event, wait_s)

    def _user_turn(self, event: UserTurn) -> None:
        item_id, self._speech_item_id = self._speech_item_id or new_id("item"), ""
        content = shapes.message(item_id, "user", [shapes.input_audio()])
        in_history = not self._session.transcribes
        message = UserMessage(event.parts, id=event.message_id)
        item = Item(content, (message,) if in_history else ())
        before = self._session.items.add(item)
        self._emit(wire.committed(item_id, before))
        self._emit(wire.item_added(content, before))
        self._emit(wire.item_done(content, before))
        audio = next((part for part in event.parts if isinstance(part, Audio)), None)
        self._question = SpokenQuestion(item, audio) if audio else None
        if audio is not None:
            self._transcripts.user_turn(item, audio, answered=self._control.answers)

    def _response_started(self, event: ResponseStarted) -> None:
        options = event.context
        if not isinstance(options, ResponseOptions):
            options = ResponseOptions.of(self._session.config)
        writer = ResponseWriter(
            self._emit,
            options,
            voice=(options.voice or self._session.voice).id,
            conversation_id=self._session.public_id,
            items=self._session.items,
            live_id=event.response_id,
        )
        question, self._question = self._question, None
        running = RunningResponse(writer, question, event.speculated)
        self._responses.begin(event.response_id, running)
        self._transcripts.response_started()
        writer.start()

    def _response_event(self, event: LiveEvent, wait_s: float | None) -> None:
        running_of = self._responses.running
        match event:
            case ResponseEvent() if running := running_of(event.response_id):
                running.first_audio_s = running.first_audio_s or wait_s
                self._turn_event(running, event.event)
            case LeadInAudio() if running := running_of(event.response_id):
                running.first_audio_s = running.first_audio_s or wait_s
                running.writer.text(event.text + " ")
                running.writer.audio(event.samples)
            case ResponseEnded() if running := self._responses.end(event.response_id):
                self._response_ended(running, event)
            case ResponsePaused() | ResponseResumed() | Interrupted():
                self._playback(event)

    def _turn_event(self, running: RunningResponse, event: Event) -> None:
        match event:
            case Transcript():
                if running.question is not None:
                    question, running.question = running.question, None
                    seconds = question.audio.seconds
                    self._transcripts.by_engine(question.item, event.text, seconds)
            case TextDelta():
                self._transcribe(running)
                running.writer.text(event.text)
            case AudioChunk():
                self._transcribe(running)
                running.writer.audio(event.samples)
            case Failed():
                running.writer.problem = event.message
            case VoiceChanged():
                self._voice_changed(event)
            case ToolCallStarted() if self._extensions:
                self._emit(ours.tool_started(running.writer.id, event))
            case ToolProgress() if self._extensions:
                self._emit(ours.tool_progress(event))
            case ToolCallFinished() if self._extensions:
                self._emit(ours.tool_finished(event))

    def _transcribe(self, running: RunningResponse) -> None:
        """Transcribes the question if the engine responds without a transcript of it."""
        if running.question is not None:
            question, running.question = running.question, None
            self._transcripts.by_us(question.item, question.audio)

    def _voice_changed(self, event: VoiceChanged) -> None:
        self._session.follow_voice()
        if self._extensions:
            self._emit(ours.voice_changed(event))
        self._control.announce("updated")

    def _response_ended(self, running: RunningResponse, event: ResponseEnded) -> None:
        self._transcribe(running)
        running.writer.end(event.reason, event.ended, event.messages)
        if self._extensions:
            latency = ours.latency(
                running.writer.id,
                first_audio_s=running.first_audio_s,
                tools_s=event.ended.latency.tools,
                speculated=running.speculated,
            )
            self._emit(latency)

    def _playback(self, event: ResponsePaused | ResponseResumed | Interrupted) -> None:
        """Writes what happened to audio that may play long after all of it was sent."""
        writer = self._responses.recent(event.response_id)
        if writer is None:
            return
        if isinstance(event, Interrupted):
            if writer.item is not None:
                writer.item.set_text(event.text)
            value = ours.playback_cleared(writer.id, event.seconds, event.text)
        else:
            kind = "paused" if isinstance(event, ResponsePaused) else "resumed"
            value = ours.playback(kind, writer.id)
        if self._extensions:
            self._emit(value)
