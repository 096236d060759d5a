"""What happens in the live conversation, told to the client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assistant.audio import Sound
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
    AnswerEnded,
    AnswerEvent,
    AnswerPaused,
    AnswerResumed,
    AnswerStarted,
    Interrupted,
    LeadInSound,
    LiveEvent,
    SpeechStarted,
    SpeechStopped,
    UserTurn,
)
from assistant.messages import UserMessage
from assistant.server.live_figures import LiveMeter
from assistant.server.realtime.conversation import Conversation
from assistant.server.realtime.ids import new_id
from assistant.server.realtime.items import Item
from assistant.server.realtime.response import Response
from assistant.server.realtime.transcripts import Transcripts
from assistant.server.realtime.wish import Wish
from assistant.server.wire import realtime_extensions as ours
from assistant.server.wire import realtime_items as shapes
from assistant.server.wire import realtime_server as wire

Json = dict[str, Any]

RECENT = 8
"""Responses whose sound may still play."""


@dataclass(eq=False)
class Question:
    """What an answer is about: the item, and its sound where it was spoken."""

    item: Item
    sound: Sound


@dataclass(eq=False)
class Running:
    """An answer on its way to the client."""

    response: Response
    question: Question | None
    speculated: bool
    first_sound_s: float | None = None


class Narrator:
    """`emit` sends an event, `told` a session.updated. `answered`: whether turns are answered by
    themselves. `wishes`: what the client asked of answers that have not begun, by answer.
    """

    def __init__(
        self,
        conversation: Conversation,
        emit: Callable[[Json], None],
        transcripts: Transcripts,
        meter: LiveMeter,
        *,
        extensions: bool,
        told: Callable[[], None],
        answered: Callable[[], bool],
    ) -> None:
        self.running: dict[str, Running] = {}
        self.wishes: dict[str, Wish] = {}
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
        return bool(self.running or self.wishes)

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
            case AnswerStarted():
                self._answer_started(event)
            case _:
                self._answer_event(event, wait_s)

    def _user_turn(self, event: UserTurn) -> None:
        item_id, self._speech_id = self._speech_id or new_id("item"), ""
        shown = shapes.message(item_id, "user", [shapes.heard()])
        keeps = not self._conversation.transcribes
        item = Item(shown, (UserMessage(event.parts),) if keeps else ())
        before = self._items.add(item)
        self._emit(wire.committed(item_id, before))
        self._emit(wire.item_added(shown, before))
        self._emit(wire.item_done(shown, before))
        sounds = [part for part in event.parts if isinstance(part, Sound)]
        self._question = Question(item, sounds[0]) if sounds else None
        if sounds:
            self._transcripts.turn(item, sounds[0], answered=self._answered())

    def _answer_started(self, event: AnswerStarted) -> None:
        wish = self.wishes.pop(event.answer_id, None) or Wish.of(self._conversation.config)
        response = Response(
            self._emit,
            wish,
            voice=(wish.voice or self._conversation.voice).id,
            conversation_id=self._conversation.public_id,
            items=self._items,
            answer_id=event.answer_id,
        )
        question, self._question = self._question, None
        self._recent.append(response)
        self.running[event.answer_id] = Running(response, question, event.speculated)
        self._transcripts.answer_began()
        response.start()

    def _answer_event(self, event: LiveEvent, wait_s: float | None) -> None:
        match event:
            case AnswerEvent() if running := self.running.get(event.answer_id):
                running.first_sound_s = running.first_sound_s or wait_s
                self._turn_event(running, event.event)
            case LeadInSound() if running := self.running.get(event.answer_id):
                running.first_sound_s = running.first_sound_s or wait_s
                running.response.text(event.text + " ")
                running.response.sound(event.samples)
            case AnswerEnded() if running := self.running.pop(event.answer_id, None):
                self._answer_ended(running, event)
            case AnswerPaused() | AnswerResumed() | Interrupted():
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

    def _answer_ended(self, running: Running, event: AnswerEnded) -> None:
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

    def _playback(self, event: AnswerPaused | AnswerResumed | Interrupted) -> None:
        """Of a sound that may play long after all of it was sent."""
        response = self.response_of(event.answer_id)
        if response is None:
            return
        if isinstance(event, Interrupted):
            if response.item is not None:
                response.item.set_text(event.text)
            told = ours.playback_cleared(response.id, event.seconds, event.text)
        else:
            kind = "paused" if isinstance(event, AnswerPaused) else "resumed"
            told = ours.playback(kind, response.id)
        if self._extensions:
            self._emit(told)

    def response_of(self, answer_id: str) -> Response | None:
        return next((r for r in self._recent if r.answer_id == answer_id), None)

    def answer_of(self, response_id: str) -> str:
        """Empty where there is none of late."""
        return next((r.answer_id for r in self._recent if r.id == response_id), "")
