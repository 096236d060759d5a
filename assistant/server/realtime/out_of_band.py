"""Responses apart from the turns of the conversation: made of an input of their own, or kept out
of the history. They run beside it, in sessions of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import anyio
from anyio.abc import TaskGroup
from starlette.requests import HTTPConnection

from assistant.errors import AssistantError
from assistant.events import AudioChunk, Failed, TextDelta, TurnEnded
from assistant.live.response import never_ran
from assistant.messages import Message
from assistant.server.http.errors import ApiError
from assistant.server.realtime.reading import text_to_read
from assistant.server.realtime.response import Reason, Response
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.session import RealtimeSession
from assistant.server.turns import admitted, get_assistant, open_session
from assistant.session import Session

MAX_RUNNING = 4


class OutOfBandResponses:
    """Those of one connection. `emit`: sends an event; `settled`: waits until the conversation is
    as the client has it; `over`: called at the end of each, with the messages that it adds.
    """

    def __init__(
        self,
        connection: HTTPConnection,
        conversation: RealtimeSession,
        emit: Callable[[dict[str, Any]], None],
        tasks: TaskGroup,
        settled: Callable[[], Awaitable[None]],
        over: Callable[[Sequence[Message]], None],
    ) -> None:
        self._connection = connection
        self._conversation = conversation
        self._emit = emit
        self._tasks = tasks
        self._settled = settled
        self._over = over
        self._running: dict[str, anyio.CancelScope] = {}
        self.joins = False
        """Whether one runs that will be added to the conversation."""

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def start(self, wish: ResponseOptions, messages: Sequence[Message] | None = None) -> None:
        """Answers the messages, or the conversation. Raises ApiError: as many run as may."""
        if len(self._running) >= MAX_RUNNING:
            message = f"{MAX_RUNNING} responses out of the conversation run already"
            raise ApiError(message, code="conversation_already_has_active_response")
        session = open_session(self._connection)
        self._conversation.tell(session)
        session.switch_voice(self._conversation.voice)
        response = Response(
            self._emit,
            wish,
            voice=(wish.voice or session.voice).id,
            conversation_id=self._conversation.public_id,
            items=None if wish.apart else self._conversation.items,
        )
        self.joins = self.joins or not wish.apart
        self._running[response.id] = anyio.CancelScope()
        response.start()
        self._tasks.start_soon(self._run, response, session, wish, messages)

    def cancel(self, response_id: str) -> bool:
        """False: no such one runs."""
        scope = self._running.get(response_id)
        if scope is not None:
            scope.cancel()
        return scope is not None

    async def _run(
        self,
        response: Response,
        session: Session,
        wish: ResponseOptions,
        messages: Sequence[Message] | None,
    ) -> None:
        ended, before = never_ran(), 0
        reason: Reason = "cancelled"
        try:
            with self._running[response.id]:
                if messages is None:
                    await self._settled()
                    messages = self._conversation.session.history
                session.history.extend(messages)
                before = len(session.history)
                ended = await self._turn(response, session, wish)
                reason = ended.reason
        except (ApiError, AssistantError) as error:
            response.problem, reason = str(error), "failed"
        finally:
            del self._running[response.id]
        kept = () if wish.apart else tuple(session.history[before:])
        response.end(reason, ended, kept)
        self.joins = self.joins and wish.apart
        self._over(kept)

    async def _turn(self, response: Response, session: Session, wish: ResponseOptions) -> TurnEnded:
        """Raises ApiError, AssistantError."""
        options = wish.turn_options(get_assistant(self._connection).settings.sampling)
        prompt = options.get("system_prompt", session.system_prompt)
        text = text_to_read(wish, prompt, session.history)
        if text is None:
            turn = session.respond(**options)
        else:
            session.history.clear()
            options["task"] = "read"
            turn = session.ask(text, **options)
        ended = never_ran()
        async with aclosing(admitted(self._connection, turn)) as events:
            async for event in events:
                match event:
                    case TextDelta():
                        response.text(event.text)
                    case AudioChunk():
                        response.sound(event.samples)
                    case Failed():
                        response.problem = event.message
                    case TurnEnded():
                        ended = event
        return ended
