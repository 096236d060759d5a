"""One telephone call.

    media, dtmf --> InboundAudio --> live.push_audio, live.say
                                        |
    media, mark, clear <-- Playout <-- live events

The greeting plays at once. Speech over a response pauses it, and it resumes if the speech was too
short. The call ends when the caller hangs up, when the model calls `hang_up` (its goodbye is played
to the end), or when the server can't continue it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from assistant.audio.samples import Pcm16
from assistant.config import TwilioSettings
from assistant.errors import AssistantError
from assistant.events import AudioChunk
from assistant.live.clock import Clock
from assistant.live.conversation import LiveConversation
from assistant.live.events import (
    Interrupted,
    LeadInAudio,
    LiveEvent,
    ResponseEnded,
    ResponseEvent,
    ResponsePaused,
    ResponseResumed,
    SpeechStarted,
    UserTurn,
)
from assistant.live.phrase_cache import PhraseCache
from assistant.messages import AssistantMessage
from assistant.server.http.websockets import NORMAL
from assistant.server.twilio.digits import Digits
from assistant.server.twilio.frames import Start, Wire
from assistant.server.twilio.hang_up import HANG_UP, RESULT, hang_up
from assistant.server.twilio.playout import Playout
from assistant.turn.truncation import first_words

logger = logging.getLogger(__name__)

OWN = ""
"""The response id of audio that is the call's own: greeting, farewell, apology."""
PHRASE_S = 5.0
"""How long rendering a phrase may take before it is left out, in seconds."""


class Line(Protocol):
    """The socket of the call."""

    def send(self, text: str) -> None: ...
    async def room(self) -> None: ...
    async def receive(self) -> str | None: ...
    def close(self, code: int = NORMAL, reason: str = "") -> None: ...


class Call:
    """A call, from its start message on.

    `late` is called with how late each frame was sent, in seconds; `seen` with each event.
    """

    def __init__(
        self,
        line: Line,
        start: Start,
        live: LiveConversation,
        phrases: PhraseCache,
        settings: TwilioSettings,
        clock: Clock,
        *,
        late: Callable[[float], None] = lambda seconds: None,
        seen: Callable[[LiveEvent], object] = lambda event: None,
    ) -> None:
        self.live = live
        self.playout = Playout(line, Wire(start.stream_sid), clock, late)
        self.digits = Digits(clock, settings.digits_pause_s, live.say)
        self.ended_by = ""
        """The party or reason that ended the call, for the metrics."""
        self._call_sid = start.start.call_sid
        self._seen = seen
        self._line = line
        self._session = live.session
        self._phrases = phrases
        self._settings = settings
        self._greeting: AssistantMessage | None = None  # while it may still be interrupted
        self._last_response = False  # a goodbye is being generated
        self._leaving = False
        self._tasks: TaskGroup

    @property
    def ignores_input(self) -> bool:
        """The goodbye is being said; nothing that the caller says will stop it."""
        return self._leaving or self._last_response

    async def run(self) -> None:
        """Runs until the conversation is closed; inside its `async with`."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self.playout.run)
            self._tasks.start_soon(self.digits.run)
            self._greet()
            async for event in self.live:
                self._seen(event)
                self._follow(event)
            self._tasks.cancel_scope.cancel()

    def end(self, why: str, code: int = NORMAL) -> None:
        """Says farewell, and hangs up."""
        if not self._leaving:
            self.live.stop()
            self.playout.drop()
            self._leave(why, self._settings.farewell, code)

    def _greet(self) -> None:
        if self._settings.greeting:
            self._greeting = AssistantMessage(self._settings.greeting)
            self._session.history.append(self._greeting)
            self._tasks.start_soon(self._speak, self._settings.greeting)

    async def _speak(self, text: str) -> None:
        """Plays a phrase in the current voice; nothing if it can't be rendered in time."""
        with anyio.move_on_after(PHRASE_S), suppress(AssistantError):  # logged where it failed
            session = self._session
            samples = await self._phrases.audio(text, session.voice, session.language)
            self.playout.put(OWN, samples)
            self.playout.end(OWN)

    def _follow(self, event: LiveEvent) -> None:
        if self._leaving:
            return
        match event:
            case SpeechStarted() | UserTurn():
                self._cut_greeting()
            case ResponseEvent(response_id, AudioChunk(samples=samples)):
                self._play(response_id, samples)
            case LeadInAudio(response_id, _, samples):
                self._play(response_id, samples)
            case ResponsePaused():
                self.playout.pause()
            case ResponseResumed():
                self.playout.resume()
            case ResponseEnded():
                self._answered(event)
            case Interrupted():
                self.playout.drop()

    def _play(self, response_id: str, samples: Pcm16) -> None:
        if not self.playout.put(response_id, samples):
            logger.warning("An answer is too long for a call, and is cut")

    def _cut_greeting(self) -> None:
        """Cuts the greeting to what was played of it: the caller has spoken."""
        greeting, self._greeting = self._greeting, None
        share = self.playout.share(OWN)
        if share < 1.0:
            self.playout.drop()
            if greeting is not None:
                self._session.history.truncate(greeting.id, first_words(greeting.text, share))

    def _answered(self, event: ResponseEnded) -> None:
        self.playout.end(event.response_id)
        if self._last_response:
            self._leave("assistant")
        elif event.reason == "failed":
            self._tasks.start_soon(self._speak, self._settings.apology)
        elif event.reason == "completed":
            self._hang_up_if_asked(event)

    def _hang_up_if_asked(self, event: ResponseEnded) -> None:
        for call in event.ended.calls:
            if call.name == HANG_UP.name:
                try:
                    self._session.add_result(call.id, RESULT)
                except AssistantError:  # the caller has spoken again by now
                    return
                if event.ended.text.strip():  # goodbye was spoken with the call
                    self._leave("assistant")
                else:
                    self._last_response = self.live.respond(tool_choice="none")

    def _leave(self, why: str, text: str = "", code: int = NORMAL) -> None:
        self._leaving = True
        self.ended_by = why
        self._tasks.start_soon(self._hang_up, text, code)

    async def _hang_up(self, text: str, code: int) -> None:
        if text:
            await self._speak(text)
        await self.playout.finished()
        await hang_up(self._call_sid, self._settings)
        self._line.close(code)
