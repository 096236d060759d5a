"""Transcripts of user turns, if the client asked for them.

The engine's own transcript is used if it makes one while it responds. Otherwise, or without a
response, the audio is transcribed in a session of its own, one after another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import anyio
from anyio.abc import TaskGroup
from starlette.requests import HTTPConnection

from assistant.audio.samples import Audio
from assistant.errors import AssistantError
from assistant.events import Failed, TextDelta
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.items import Item
from assistant.server.realtime.session import RealtimeSession
from assistant.server.special_tokens import SpecialTokenFilter, without_special_tokens
from assistant.server.turns import admitted, open_session

logger = logging.getLogger(__name__)

MAX_WAITING_S = 600.0
"""Recordings that wait for transcription; a further one fails."""
GRACE_S = 0.25
"""How long to wait for a client that commits and then asks for the response, in seconds."""


class Transcripts:
    """The transcripts of one connection. `emit` sends an event."""

    def __init__(
        self,
        connection: HTTPConnection,
        conversation: RealtimeSession,
        emit: Callable[[dict[str, Any]], None],
        tasks: TaskGroup,
    ) -> None:
        self._connection = connection
        self._conversation = conversation
        self._emit = emit
        self._tasks = tasks
        self._one_at_a_time = anyio.Lock()
        self._waiting_s = 0.0
        self._response_started = anyio.Event()

    @property
    def _wanted(self) -> bool:
        """True if transcripts are wanted. A transcription session transcribes also what came before
        it was configured.
        """
        asked = self._conversation.config.audio.input.transcription is not None
        return asked or self._conversation.transcribes

    def user_turn(self, item: Item, audio: Audio, *, answered: bool) -> None:
        """Handles a user turn. `answered`: a response follows by itself."""
        self._response_started = anyio.Event()
        if self._wanted and not answered:
            grace_s = 0.0 if self._conversation.transcribes else GRACE_S
            self._tasks.start_soon(self._unless_a_response_starts, item, audio, grace_s)

    def response_started(self) -> None:
        self._response_started.set()

    def by_engine(self, item: Item, text: str, seconds: float) -> None:
        """Sends the transcript that the engine made while it responds."""
        if not item.transcribing:
            item.transcribing = True
            text = without_special_tokens(text).strip()
            item.set_transcript(text)
            if self._wanted:
                self._emit(wire.transcription_delta(item.id, text))
                self._emit(wire.transcription_completed(item.id, text, seconds))

    def by_us(self, item: Item, audio: Audio) -> None:
        """Transcribes the user turn, because the engine responds without a transcript of it."""
        if self._wanted and not item.transcribing:
            self._start(item, audio)

    async def _unless_a_response_starts(self, item: Item, audio: Audio, grace_s: float) -> None:
        with anyio.move_on_after(grace_s):
            await self._response_started.wait()
            return
        if not item.transcribing:
            self._start(item, audio)

    def _start(self, item: Item, audio: Audio) -> None:
        item.transcribing = True
        if self._waiting_s and self._waiting_s + audio.seconds > MAX_WAITING_S:
            self._emit(wire.transcription_failed(item.id, "too much waits already"))
            return
        self._waiting_s += audio.seconds
        self._tasks.start_soon(self._transcribe_by_us, item, audio)

    async def _transcribe_by_us(self, item: Item, audio: Audio) -> None:
        try:
            async with self._one_at_a_time:
                text = await self._transcribe(item, audio)
        except AssistantError as error:
            self._emit(wire.transcription_failed(item.id, str(error)))
        else:
            item.set_transcript(text)
            self._emit(wire.transcription_completed(item.id, text, audio.seconds))
        finally:
            self._waiting_s -= audio.seconds

    async def _transcribe(self, item: Item, audio: Audio) -> str:
        """Raises ApiError, AssistantError."""
        asked = self._conversation.config.audio.input.transcription
        session = open_session(
            self._connection,
            language=(asked and asked.language) or "",
            system_prompt=(asked and asked.prompt) or None,
            allow=(),
            speak=False,
        )
        clean, pieces = SpecialTokenFilter(), []
        asks = session.ask(audio, task="transcribe")
        # Otherwise the response to the same words counts.
        turn = admitted(self._connection, asks, counted=self._conversation.transcribes)
        async with aclosing(turn):
            async for event in turn:
                if isinstance(event, Failed):
                    raise AssistantError(event.message)
                text = clean.feed(event.text) if isinstance(event, TextDelta) else ""
                if text:
                    pieces.append(text)
                    self._emit(wire.transcription_delta(item.id, text))
        if rest := clean.finish():
            pieces.append(rest)
            self._emit(wire.transcription_delta(item.id, rest))
        return "".join(pieces).strip()
