"""Makes the answers of one conversation, one after another, and gives them out.

    start --> waits for the answers before --> its turn runs --> made
                                                   |
                     events wait here until commit: then ResponseStarted, they, ResponseEnded

Until then `drop` undoes all of it; after that `stop` ends it, and cuts the history to what was
heard.
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
    SpeculationDropped,
)
from assistant.live.response import Reason, Response, never_ran
from assistant.live.waiting import Waiting
from assistant.messages import Message, UserMessage
from assistant.session import Session
from assistant.turn.event_queue import EventQueue
from assistant.turn.options import TurnOptions

logger = logging.getLogger(__name__)

Turn = AsyncGenerator[Event, None]
Admit = Callable[[Turn], Turn]
REMEMBERED = 8
"""ResponseRunner of which one may still say how much of them was heard."""


class ResponseRunner:
    """`heard`: told of what the engine heard in a question that may not be over yet."""

    def __init__(
        self,
        session: Session,
        out: EventQueue[LiveEvent],
        clock: Clock,
        admit: Admit,
        waiting: Waiting,
        heard: Callable[[Response, str], None],
    ) -> None:
        self._session = session
        self._out = out
        self._clock = clock
        self._admit = admit
        self._waiting = waiting
        self._heard = heard
        self._turns = anyio.Lock()  # one is made at a time,
        self._giving_out = anyio.Lock()  # and one goes out
        self._ids = itertools.count(1)
        self._recent: deque[Response] = deque(maxlen=REMEMBERED)
        self.tasks: TaskGroup

    def find(self, response_id: str) -> Response | None:
        return next((answer for answer in self._recent if answer.id == response_id), None)

    def start(
        self,
        parts: tuple[str | Audio, ...] | None,
        *,
        options: TurnOptions | None = None,
        context: object = None,
    ) -> Response:
        """Begins to make an answer."""
        answer = Response(f"answer_{next(self._ids)}", parts, options or TurnOptions(), context)
        answer.started_at = self._clock.now()
        self._recent.append(answer)
        self.tasks.start_soon(self._make, answer)
        self.tasks.start_soon(self._give_out, answer)
        return answer

    def commit(self, answer: Response, *, question_ended_at: float | None = None) -> None:
        """What was asked is certain."""
        answer.question_ended_at = question_ended_at
        answer.commit.set()

    def drop(self, answer: Response) -> None:
        """What was asked has changed: nothing of the answer will be heard or remembered."""
        assert not answer.commit.is_set(), "it is certain already"
        answer.dropped = True
        answer.scope.cancel()
        answer.commit.set()
        if answer.made.is_set():
            self._settle(answer)
        seconds = self._clock.now() - answer.started_at
        self._out.put_nowait(SpeculationDropped(seconds))

    def stop(self, answer: Response, reason: Reason) -> None:
        """Ends it. What was not heard of it is cut from the history."""
        if answer.stopped:
            return
        now = self._clock.now()
        answer.heard = answer.playback.own(answer.playback.played(now))
        if not answer.passed_on:
            answer.reason = reason
        if not answer.made.is_set():
            self.tasks.start_soon(self._cancel, answer)
            return
        self._cut(answer)
        if answer.passed_on:
            self._out.put_nowait(Interrupted(answer.id, answer.heard, answer.heard_text))

    def truncate(self, answer: Response, played: float) -> str:
        """The listener has heard `played` seconds of all its sound; gives the text heard."""
        answer.playback.reported(played, self._clock.now())
        if answer.stopped or answer.made.is_set():
            answer.heard = answer.playback.own(played)
        if answer.made.is_set():
            self._cut(answer)
        return answer.heard_text

    def add(self, message: UserMessage) -> None:
        """Was said, and is not answered."""
        self.tasks.start_soon(self._add, message)

    def edit(self, change: Callable[[], None]) -> None:
        """Calls it once no turn runs, and before those asked for later do."""
        self.tasks.start_soon(self._edit, change)

    async def _edit(self, change: Callable[[], None]) -> None:
        async with self._turns:
            change()

    async def _add(self, message: UserMessage) -> None:
        async with self._turns:
            self._session.add(message)

    async def _cancel(self, answer: Response) -> None:
        """By the session where it can be: the turn's last events then still come."""
        if not answer.begun.is_set() or not await self._session.cancel():
            answer.scope.cancel()

    async def _make(self, answer: Response) -> None:
        try:
            async with self._turns:
                answer.begun.set()
                before = len(self._session.history)
                if not answer.stopped:
                    with answer.scope:
                        await self._run(answer)
                self._settle(answer)
                self._session.history.forget_audio()
                answer.messages = _own(self._session.history[before:], answer)
        finally:
            answer.begun.set()
            answer.made.set()
            answer.events.close()

    async def _run(self, answer: Response) -> None:
        try:
            async with aclosing(self._admit(self._turn(answer))) as events:
                async for event in events:
                    self._see(answer, event)
                    await answer.events.put(event)
        except AssistantError as error:
            self._fail(answer, str(error))
        except Exception as error:
            logger.exception("A response failed")
            self._fail(answer, str(error) or "The response failed unexpectedly.")

    def _fail(self, answer: Response, message: str) -> None:
        answer.refused = not answer.turn_id
        answer.events.put_nowait(Failed(message))

    def _turn(self, answer: Response) -> Turn:
        options = answer.options
        if answer.parts is None:
            return self._session.respond(**options)
        options["commit"] = answer.commit
        return self._session.ask(*answer.parts, message_id=answer.message_id, **options)

    def _see(self, answer: Response, event: Event) -> None:
        if isinstance(event, TurnStarted):
            answer.turn_id = event.turn_id
        elif isinstance(event, Transcript) and not answer.commit.is_set():
            self._heard(answer, event.text)

    def _settle(self, answer: Response) -> None:
        """The turn is over: undone where it was dropped, cut where it was stopped."""
        if answer.dropped and answer.turn_id:
            self._session.drop(answer.turn_id)
        elif answer.heard is not None:
            self._cut(answer)

    def _cut(self, answer: Response) -> None:
        assert answer.heard is not None
        if answer.turn_id:
            text = self._session.truncate(answer.heard, answer.turn_id)
            answer.heard_text = text or ""

    async def _give_out(self, answer: Response) -> None:
        await answer.commit.wait()
        if answer.dropped:
            return
        async with self._giving_out:
            await answer.begun.wait()
            now = self._clock.now()
            waited = 0.0 if answer.question_ended_at is None else now - answer.question_ended_at
            await self._out.put(self._started(answer, waited))
            ended = await self._pass_on(answer)
            answer.passed_on = True
            reason = answer.reason or ended.reason
            await self._out.put(ResponseEnded(answer.id, reason, ended, answer.messages))
            if answer.heard is not None:
                self._out.put_nowait(Interrupted(answer.id, answer.heard, answer.heard_text))

    def _started(self, answer: Response, waited: float) -> ResponseStarted:
        return ResponseStarted(
            answer.id, waited, answer.speculated, answer.saved, context=answer.context
        )

    async def _pass_on(self, answer: Response) -> TurnEnded:
        ended = never_ran()
        while (event := await answer.events.get()) is not None:
            if isinstance(event, TurnEnded):
                ended = event
            if self._is_heard(answer, event):
                await self._out.put(ResponseEvent(answer.id, event))
        await answer.made.wait()
        return ended

    def _is_heard(self, answer: Response, event: Event) -> bool:
        """Counts it; whether it goes out: of an answer that was stopped, no word and no sound."""
        match event:
            case AudioChunk() | TextDelta() if answer.stopped:
                return False
            case AudioChunk():
                answer.said = True
                answer.playback.sent(event.seconds, self._clock.now())
            case TextDelta():
                answer.said = True
            case ToolCallStarted():
                self._waiting.tool_started(answer, event)
            case ToolCallFinished():
                self._waiting.tool_finished(answer, event)
            case VoiceChanged():
                self.tasks.start_soon(self._waiting.prepare)
        return True


def _own(messages: list[Message], answer: Response) -> tuple[Message, ...]:
    """What an answer has put into the history, without its question and what stands before it."""
    asked = [at for at, message in enumerate(messages) if isinstance(message, UserMessage)]
    return tuple(messages[asked[-1] + 1 :] if asked and answer.parts is not None else messages)
