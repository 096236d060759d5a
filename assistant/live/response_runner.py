"""Runs the responses of one conversation, one after another, and sends their events.

    start --> waits for earlier responses --> its turn runs --> generated
                                                   |
                     events wait here until commit: then ResponseStarted, they, ResponseEnded

Until then `discard` undoes all of it. After that, `stop` ends it and cuts the history to what was
played.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
from anyio.abc import TaskGroup

from assistant.audio.samples import Audio
from assistant.errors import AssistantError
from assistant.events import (
    AudioChunk,
    Event,
    Failed,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    Transcript,
    TurnEnded,
    TurnStarted,
    VoiceChanged,
)
from assistant.live.clock import Clock
from assistant.live.events import (
    Interrupted,
    LiveEvent,
    ResponseEnded,
    ResponseEvent,
    ResponseStarted,
    SpeculationDiscarded,
)
from assistant.live.lead_ins import LeadInPlayer
from assistant.live.response import Reason, Response, never_ran
from assistant.messages import Message, UserMessage
from assistant.session import Session
from assistant.turn.event_queue import EventQueue
from assistant.turn.options import TurnOptions

logger = logging.getLogger(__name__)

Turn = AsyncGenerator[Event, None]
Admit = Callable[[Turn], Turn]
REMEMBERED = 8
"""Responses that can still be truncated."""


class ResponseRunner:
    """Runs responses. `on_transcript` gets the engine's transcript of a turn that may not be over
    yet.
    """

    def __init__(
        self,
        session: Session,
        out: EventQueue[LiveEvent],
        clock: Clock,
        admit: Admit,
        lead_ins: LeadInPlayer,
        on_transcript: Callable[[Response, str], None],
    ) -> None:
        self._session = session
        self._out = out
        self._clock = clock
        self._admit = admit
        self._lead_ins = lead_ins
        self._on_transcript = on_transcript
        self._turns = anyio.Lock()  # one response is generated at a time,
        self._sending = anyio.Lock()  # and one is played
        self._ids = itertools.count(1)
        self._recent: deque[Response] = deque(maxlen=REMEMBERED)
        self._tasks: TaskGroup

    def open(self, tasks: TaskGroup) -> None:
        """Sets the task group of the turns; called once, before everything else."""
        self._tasks = tasks

    def find(self, response_id: str) -> Response | None:
        return next((response for response in self._recent if response.id == response_id), None)

    def start(
        self,
        parts: tuple[str | Audio, ...] | None,
        *,
        options: TurnOptions | None = None,
        context: object = None,
    ) -> Response:
        """Starts to generate a response."""
        response = Response(f"response_{next(self._ids)}", parts, options or TurnOptions(), context)
        response.started_at = self._clock.now()
        self._recent.append(response)
        self._tasks.start_soon(self._generate, response)
        self._tasks.start_soon(self._send, response)
        return response

    def commit(self, response: Response, *, question_ended_at: float | None = None) -> None:
        """Notes that the user turn is certain: the response may be sent."""
        response.question_ended_at = question_ended_at
        response.commit.set()

    def discard(self, response: Response) -> None:
        """Discards a response to a user turn that has changed: nothing of it is
        sent or recorded.
        """
        assert not response.commit.is_set(), "it is certain already"
        response.discarded = True
        response.scope.cancel()
        response.commit.set()
        if response.generated.is_set():
            self._settle(response)
        seconds = self._clock.now() - response.started_at
        self._out.put_nowait(SpeculationDiscarded(seconds))

    def stop(self, response: Response, reason: Reason) -> None:
        """Stops a response and cuts the history to what was played."""
        if response.stopped:
            return
        now = self._clock.now()
        response.played_s = response.playback.own(response.playback.played(now))
        if not response.sent:
            response.reason = reason
        if not response.generated.is_set():
            self._tasks.start_soon(self._cancel, response)
            return
        self._cut(response)
        if response.sent:
            self._out.put_nowait(Interrupted(response.id, response.played_s, response.played_text))

    def truncate(self, response: Response, played: float) -> str:
        """Notes that `played` seconds of all its audio were played, and returns the text of that
        part.
        """
        response.playback.reported(played, self._clock.now())
        if response.stopped or response.generated.is_set():
            response.played_s = response.playback.own(played)
        if response.generated.is_set():
            self._cut(response)
        return response.played_text

    def add(self, message: UserMessage) -> None:
        """Records a user turn that gets no response."""
        self._tasks.start_soon(self._add, message)

    def edit(self, change: Callable[[], None]) -> None:
        """Calls it once no turn runs, and before those asked for later do."""
        self._tasks.start_soon(self._edit, change)

    async def _edit(self, change: Callable[[], None]) -> None:
        async with self._turns:
            change()

    async def _add(self, message: UserMessage) -> None:
        async with self._turns:
            self._session.add(message)

    async def _cancel(self, response: Response) -> None:
        """Cancels through the session if possible: the last events of the turn still come then."""
        if not response.begun.is_set() or not await self._session.cancel():
            response.scope.cancel()

    async def _generate(self, response: Response) -> None:
        try:
            async with self._turns:
                response.begun.set()
                before = len(self._session.history)
                if not response.stopped:
                    with response.scope:
                        await self._run(response)
                self._settle(response)
                self._session.history.forget_audio()
                response.messages = _own(self._session.history[before:], response)
        finally:
            response.begun.set()
            response.generated.set()
            response.events.close()

    async def _run(self, response: Response) -> None:
        try:
            async with aclosing(self._admit(self._turn(response))) as events:
                async for event in events:
                    self._handle(response, event)
                    await response.events.put(event)
        except AssistantError as error:
            self._fail(response, str(error))
        except Exception as error:
            logger.exception("A response failed")
            self._fail(response, str(error) or "The response failed unexpectedly.")

    def _fail(self, response: Response, message: str) -> None:
        response.refused = not response.turn_id
        response.events.put_nowait(Failed(message))

    def _turn(self, response: Response) -> Turn:
        options = response.options
        if response.parts is None:
            return self._session.respond(**options)
        options["commit"] = response.commit
        return self._session.ask(*response.parts, message_id=response.message_id, **options)

    def _handle(self, response: Response, event: Event) -> None:
        if isinstance(event, TurnStarted):
            response.turn_id = event.turn_id
        elif isinstance(event, Transcript) and not response.commit.is_set():
            self._on_transcript(response, event.text)

    def _settle(self, response: Response) -> None:
        """Ends the turn in the history: removed if it was discarded, cut if it was stopped."""
        if response.discarded and response.turn_id:
            self._session.drop(response.turn_id)
        elif response.played_s is not None:
            self._cut(response)

    def _cut(self, response: Response) -> None:
        assert response.played_s is not None
        if response.turn_id:
            text = self._session.truncate(response.played_s, response.turn_id)
            response.played_text = text or ""

    async def _send(self, response: Response) -> None:
        await response.commit.wait()
        if response.discarded:
            return
        async with self._sending:
            await response.begun.wait()
            now = self._clock.now()
            waited = 0.0 if response.question_ended_at is None else now - response.question_ended_at
            await self._out.put(self._started(response, waited))
            ended = await self._send_events(response)
            response.sent = True
            reason = response.reason or ended.reason
            await self._out.put(ResponseEnded(response.id, reason, ended, response.messages))
            if response.played_s is not None:
                self._out.put_nowait(
                    Interrupted(response.id, response.played_s, response.played_text)
                )

    def _started(self, response: Response, waited: float) -> ResponseStarted:
        return ResponseStarted(
            response.id, waited, response.speculated, response.saved, context=response.context
        )

    async def _send_events(self, response: Response) -> TurnEnded:
        ended = never_ran()
        while (event := await response.events.get()) is not None:
            if isinstance(event, TurnEnded):
                ended = event
            if self._count(response, event):
                await self._out.put(ResponseEvent(response.id, event))
        await response.generated.wait()
        return ended

    def _count(self, response: Response, event: Event) -> bool:
        """Counts an event and returns whether it is sent: a stopped response sends no text and no
        audio.
        """
        match event:
            case AudioChunk() | TextDelta() if response.stopped:
                return False
            case AudioChunk():
                response.has_output = True
                response.playback.sent(event.seconds, self._clock.now())
            case TextDelta():
                response.has_output = True
            case ToolCallStarted():
                self._lead_ins.tool_started(response, event)
            case ToolCallFinished():
                self._lead_ins.tool_finished(response, event)
            case VoiceChanged():
                self._tasks.start_soon(self._lead_ins.prepare)
        return True


def _own(messages: list[Message], response: Response) -> tuple[Message, ...]:
    """Returns the messages that a response added to the history, without the user's message."""
    asked = [at for at, message in enumerate(messages) if isinstance(message, UserMessage)]
    return tuple(messages[asked[-1] + 1 :] if asked and response.parts is not None else messages)
