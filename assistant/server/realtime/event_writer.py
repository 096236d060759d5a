"""What happens in the live conversation, told to the client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
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
from assistant.server.live_metrics import LiveMeter
from assistant.server.realtime import extensions as ours
from assistant.server.realtime import item_schema as shapes
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.ids import new_id
from assistant.server.realtime.items import Item
from assistant.server.realtime.response import Response
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.session import RealtimeSession
from assistant.server.realtime.transcripts import Transcripts

Json = dict[str, Any]

RECENT = 8
"""Responses whose sound may still play."""


@dataclass(eq=False)
class Question:
    """What an answer is about: the item, and its sound where it was spoken."""

    item: Item
    sound: Audio


@dataclass(eq=False)
class Running:
    """An answer on its way to the client."""

    response: Response
    question: Question | None
    speculated: bool
    first_sound_s: float | None = None


class ServerEventWriter:
    """`emit` sends an event, `told` a session.updated. `answered`: whether turns are answered by
    themselves. `expected`: the responses that the client asked for and that have not begun.
    """

    def __init__(
        self,
        conversation: RealtimeSession,
        emit: Callable[[Json], None],
        transcripts: Transcripts,
        meter: LiveMeter,
        *,
        extensions: bool,
        told: Callable[[], None],
        answered: Callable[[], bool],
    ) -> None:
        self.running: dict[str, Running] = {}
        self.expected: set[str] = set()
        self._conversation = conversation
        self._items = conversation.items
        self._emit = emit
        self._transcripts = transcripts
        self._meter = meter
        self._extensions = extensions
        self._told = told
        self._answered = answered
        self._speech_id = ""
        self._question: Question | None = None
        self._recent: deque[Response] = deque(maxlen=RECENT)

    @property
    def busy(self) -> bool:
        """A response is being made, or about to be."""
        return bool(self.running or self.expected)

    def see(self, event: LiveEvent) -> None:
        wait_s = self._meter.see(event)
        match event:
            case SpeechStarted():
                self._speech_id = new_id("item")
                self._emit(wire.speech_started(self._speech_id, event.at))
            case SpeechStopped():
                self._emit(wire.speech_stopped(self._speech_id, event.at))
            case UserTurn():
                self._user_turn(event)
            case ResponseStarted():
                self._answer_started(event)
            case _:
                self._answer_event(event, wait_s)

    def _user_turn(self, event: UserTurn) -> None:
        item_id, self._speech_id = self._speech_id or new_id("item"), ""
        shown = shapes.message(item_id, "user", [shapes.heard()])
        keeps = not self._conversation.transcribes
        item = Item(shown, (UserMessage(event.parts, id=event.message_id),) if keeps else ())
        before = self._items.add(item)
        self._emit(wire.committed(item_id, before))
        self._emit(wire.item_added(shown, before))
        self._emit(wire.item_done(shown, before))
        sounds = [part for part in event.parts if isinstance(part, Audio)]
        self._question = Question(item, sounds[0]) if sounds else None
        if sounds:
            self._transcripts.turn(item, sounds[0], answered=self._answered())

    def _answer_started(self, event: ResponseStarted) -> None:
        self.expected.discard(event.response_id)
        asked = event.context
        config = self._conversation.config
        wish = asked if isinstance(asked, ResponseOptions) else ResponseOptions.of(config)
        response = Response(
            self._emit,
            wish,
            voice=(wish.voice or self._conversation.voice).id,
            conversation_id=self._conversation.public_id,
            items=self._items,
            live_id=event.response_id,
        )
        question, self._question = self._question, None
        self._recent.append(response)
        self.running[event.response_id] = Running(response, question, event.speculated)
        self._transcripts.answer_began()
        response.start()

    def _answer_event(self, event: LiveEvent, wait_s: float | None) -> None:
        match event:
            case ResponseEvent() if running := self.running.get(event.response_id):
                running.first_sound_s = running.first_sound_s or wait_s
                self._turn_event(running, event.event)
            case LeadInAudio() if running := self.running.get(event.response_id):
                running.first_sound_s = running.first_sound_s or wait_s
                running.response.text(event.text + " ")
                running.response.sound(event.samples)
            case ResponseEnded() if running := self.running.pop(event.response_id, None):
                self._answer_ended(running, event)
            case ResponsePaused() | ResponseResumed() | Interrupted():
                self._playback(event)

    def _turn_event(self, running: Running, event: Event) -> None:
        match event:
            case Transcript():
                if running.question is not None:
                    question, running.question = running.question, None
                    self._transcripts.heard(question.item, event.text, question.sound.seconds)
            case TextDelta():
                self._missed(running)
                running.response.text(event.text)
            case AudioChunk():
                self._missed(running)
                running.response.sound(event.samples)
            case Failed():
                running.response.problem = event.message
            case VoiceChanged():
                self._voice_changed(event)
            case ToolCallStarted() if self._extensions:
                self._emit(ours.tool_started(running.response.id, event))
            case ToolProgress() if self._extensions:
                self._emit(ours.tool_progress(event))
            case ToolCallFinished() if self._extensions:
                self._emit(ours.tool_finished(event))

    def _missed(self, running: Running) -> None:
        if running.question is not None:
            question, running.question = running.question, None
            self._transcripts.missed(question.item, question.sound)

    def _voice_changed(self, event: VoiceChanged) -> None:
        self._conversation.voice = self._conversation.session.voice
        if self._extensions:
            self._emit(ours.voice_changed(event))
        self._told()

    def _answer_ended(self, running: Running, event: ResponseEnded) -> None:
        self._missed(running)
        response = running.response
        response.end(event.reason, event.ended, event.messages)
        if self._extensions:
            latency = ours.latency(
                response.id,
                first_audio_s=running.first_sound_s,
                tools_s=event.ended.latency.tools,
                speculated=running.speculated,
            )
            self._emit(latency)

    def _playback(self, event: ResponsePaused | ResponseResumed | Interrupted) -> None:
        """Of a sound that may play long after all of it was sent."""
        response = self.response_of(event.response_id)
        if response is None:
            return
        if isinstance(event, Interrupted):
            if response.item is not None:
                response.item.set_text(event.text)
            told = ours.playback_cleared(response.id, event.seconds, event.text)
        else:
            kind = "paused" if isinstance(event, ResponsePaused) else "resumed"
            told = ours.playback(kind, response.id)
        if self._extensions:
            self._emit(told)

    def response_of(self, live_id: str) -> Response | None:
        return next((r for r in self._recent if r.live_id == live_id), None)

    def answer_of(self, response_id: str) -> str:
        """Empty where there is none of late."""
        return next((r.live_id for r in self._recent if r.id == response_id), "")
