"""Out-of-band responses: generated from an input of their own, or kept out of the conversation.

They run beside it, in sessions of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import anyio
from anyio.abc import TaskGroup
from starlette.requests import HTTPConnection

from assistant.errors import AssistantError
from assistant.events import AudioChunk, Failed, TextDelta, TurnEnded
from assistant.live.conversation import LiveConversation
from assistant.live.response import never_ran
from assistant.messages import Message, UserMessage
from assistant.server.http.errors import ApiError
from assistant.server.realtime.active_responses import ActiveResponses
from assistant.server.realtime.response import Reason, ResponseWriter
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.session import RealtimeSession
from assistant.server.state import get_state
from assistant.server.turns import admitted, open_session
from assistant.session import Session

MAX_RUNNING = 4

# Smart home bridges request in the instructions that a text is read aloud: the protocol has no
# event for that, and an engine reads better if that is its task than by an instruction.
_ASKS_TO_READ = re.compile(r"\b(aloud|out loud|verbatim|word for word|exactly as)\b", re.IGNORECASE)


class OutOfBandResponses:
    """The out-of-band responses of one connection, at most MAX_RUNNING at a time.

    `emit` sends an event to the client.
    """

    def __init__(
        self,
        connection: HTTPConnection,
        session: RealtimeSession,
        live: LiveConversation,
        responses: ActiveResponses,
        emit: Callable[[dict[str, Any]], None],
        tasks: TaskGroup,
    ) -> None:
        self._connection = connection
        self._session = session
        self._live = live
        self._responses = responses
        self._emit = emit
        self._tasks = tasks
        self._running: dict[str, anyio.CancelScope] = {}

    @property
    def busy(self) -> bool:
        """True if any of them runs."""
        return bool(self._running)

    def start(self, options: ResponseOptions, messages: Sequence[Message] | None = None) -> None:
        """Responds to the messages, or to the conversation. Raises ApiError if too many run."""
        if len(self._running) >= MAX_RUNNING:
            message = f"{MAX_RUNNING} responses out of the conversation run already"
            raise ApiError(message, code="conversation_already_has_active_response")
        session = open_session(self._connection)
        self._session.configure(session)
        session.switch_voice(self._session.voice)
        writer = ResponseWriter(
            self._emit,
            options,
            voice=(options.voice or session.voice).id,
            conversation_id=self._session.public_id,
            items=None if options.out_of_band else self._session.items,
        )
        self._responses.joining += not options.out_of_band
        self._running[writer.id] = anyio.CancelScope()
        writer.start()
        self._tasks.start_soon(self._run, writer, session, options, messages)

    def cancel(self, response_id: str) -> bool:
        """Stops a response; False if it does not run."""
        scope = self._running.get(response_id)
        if scope is not None:
            scope.cancel()
        return scope is not None

    async def _run(
        self,
        writer: ResponseWriter,
        session: Session,
        options: ResponseOptions,
        messages: Sequence[Message] | None,
    ) -> None:
        ended, before = never_ran(), 0
        reason: Reason = "cancelled"
        try:
            with self._running[writer.id]:
                if messages is None:
                    await self._edited()
                    messages = self._session.session.history
                session.history.extend(messages)
                before = len(session.history)
                ended = await self._turn(writer, session, options)
                reason = ended.reason
        except AssistantError as error:
            writer.problem, reason = str(error), "failed"
        finally:
            del self._running[writer.id]
        new = () if options.out_of_band else tuple(session.history[before:])
        writer.end(reason, ended, new)
        self._responses.joining -= not options.out_of_band
        if new:
            self._live.edit(lambda: self._session.session.history.extend(new))
        self._responses.changed.notify()

    async def _edited(self) -> None:
        """Waits for the changes that were asked for before, unless they wait for a turn to end."""
        if not self._responses.busy:
            done = anyio.Event()
            self._live.edit(done.set)
            await done.wait()

    async def _turn(
        self, writer: ResponseWriter, session: Session, options: ResponseOptions
    ) -> TurnEnded:
        """Runs the turn. Raises AssistantError."""
        turn_options = options.turn_options(get_state(self._connection).assistant.settings.sampling)
        prompt = turn_options.get("system_prompt", session.system_prompt)
        text = text_to_read(options, prompt, session.history)
        if text is None:
            turn = session.respond(**turn_options)
        else:
            session.history.clear()
            turn_options["task"] = "read"
            turn = session.ask(text, **turn_options)
        ended = never_ran()
        async with aclosing(admitted(self._connection, turn)) as events:
            async for event in events:
                match event:
                    case TextDelta():
                        writer.text(event.text)
                    case AudioChunk():
                        writer.audio(event.samples)
                    case Failed():
                        writer.problem = event.message
                    case TurnEnded():
                        ended = event
        return ended


def text_to_read(
    options: ResponseOptions, system_prompt: str, messages: Sequence[Message]
) -> str | None:
    """Returns the only message if it is typed and the instructions ask to read it aloud.

    Only if no tool may be called: a client that wants an answer leaves that to the model.
    """
    reads = options.out_of_band and options.choice == "none"
    if not (reads and _ASKS_TO_READ.search(system_prompt)):
        return None
    match messages:
        case [UserMessage(parts=[str(text)])]:
            return text
    return None
