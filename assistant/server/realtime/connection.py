"""One WebSocket of the Realtime API, and the conversation that is held over it."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import anyio
import pydantic
from anyio.abc import TaskGroup
from pydantic import TypeAdapter
from starlette.websockets import WebSocket

from assistant.errors import AssistantError
from assistant.live.conversation import LiveConversation
from assistant.live.events import UserTurn
from assistant.server.http.body_limits import check_json
from assistant.server.http.errors import ApiError, describe_invalid
from assistant.server.http.websockets import ANSWERS, GOING_AWAY, REFUSED, Socket
from assistant.server.metrics import LiveMeter
from assistant.server.realtime import extensions as ours
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.active_responses import ActiveResponses
from assistant.server.realtime.client_events import ClientEvent
from assistant.server.realtime.commands import Commands
from assistant.server.realtime.event_writer import ServerEventWriter
from assistant.server.realtime.live_control import LiveControl
from assistant.server.realtime.out_of_band import OutOfBandResponses
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.resumption import ResumableSessions
from assistant.server.realtime.server_events import new_id
from assistant.server.realtime.session import RealtimeSession
from assistant.server.realtime.transcripts import Transcripts
from assistant.server.state import get_state
from assistant.server.turns import admitted

Json = dict[str, Any]

MAX_BAD = 20
"""Messages in a row that are no events; after more of them the connection is closed."""
WIND_DOWN_S = 5.0
"""The time that a connection that ends waits for its last response to be recorded, in seconds."""

_EVENTS: TypeAdapter[ClientEvent] = TypeAdapter(ClientEvent)


class Connection:
    """Joins the socket, the live conversation and those who read and write its events.

    `tasks` must outlive `run`. `extensions`: this project's own events are sent and taken, too.
    """

    def __init__(
        self,
        websocket: WebSocket,
        socket: Socket,
        session: RealtimeSession,
        meter: LiveMeter,
        tasks: TaskGroup,
        *,
        extensions: bool,
    ) -> None:
        state = get_state(websocket)
        settings = state.assistant.settings
        expires_at = int(time.time() + settings.server.sockets.session_s)
        self._session = session
        self._socket = socket
        self._tasks = tasks
        self._extensions = extensions
        self._resume_s = settings.server.sockets.resume_s
        self._max_json_depth = settings.server.limits.max_json_depth
        self._draining = state.sockets.draining
        self._resumable = state.get(ResumableSessions)
        self._bad = 0
        self._responses = responses = ActiveResponses()
        self._live = live = LiveConversation(
            session.session,
            session.live_settings,
            pausable=extensions,
            admit=partial(admitted, websocket),
            lead_ins=state.lead_ins,
            detector=state.new_speech_detector(),
        )
        transcripts = Transcripts(websocket, session, self.emit, tasks)
        shared = (websocket, session, live, responses, self.emit, tasks)
        self._out_of_band = OutOfBandResponses(*shared)
        self._control = LiveControl(session, live, responses, self.emit, settings, expires_at)
        writer = (session, responses, self._control, transcripts, meter, self.emit)
        self._writer = ServerEventWriter(*writer, extensions=extensions)
        self._commands = Commands(
            session,
            live,
            responses,
            self._control,
            self._out_of_band,
            self.emit,
            max_audio_s=settings.max_audio_s,
            audio_in=state.metrics.audio_in,
            is_full=self._is_full,
        )

    async def run(self) -> None:
        """Holds the conversation until the socket is closed."""
        self._control.announce("created")
        if self._extensions:
            self.emit(ours.session(self._session.id, self._session.voice.id, self._resume_s))
        async with self._live:
            self._control.configure()
            self._tasks.start_soon(self._write_events)
            self._tasks.start_soon(self._leave_when_drained)
            while (text := await self._socket.receive()) is not None:
                await self._take(text)
                await self._socket.room(ANSWERS)
            await self._wind_down()

    def emit(self, event: Json) -> None:
        """Sends a server event."""
        event["event_id"] = new_id("event")
        self._socket.send(json.dumps(event, separators=(",", ":")))

    def _is_full(self) -> bool:
        """Returns whether the conversation, or all those of its owner together, may not grow."""
        return self._session.items.full or not self._resumable.has_room(self._session.owner)

    # Live events --> server events.

    async def _write_events(self) -> None:
        async for event in self._live:
            self._writer.handle(event)
            if isinstance(event, UserTurn):
                self._after_user_turn()
            self._responses.changed.notify()
            await self._socket.room()

    def _after_user_turn(self) -> None:
        if self._is_full():
            self.emit(wire.error("the conversation is full", code="full"))
            self._socket.close(REFUSED, "the conversation is full")
        if self._session.transcribes:
            self._live.edit(self._session.session.history.clear)
        elif self._control.answers_here and not self._responses.busy:
            self._control.respond(ResponseOptions.of(self._session.config))

    # Client events --> commands.

    async def _take(self, text: str) -> None:
        event_id = None
        try:
            values = self._parsed(text)
            event_id = values.get("event_id") if isinstance(values.get("event_id"), str) else None
            event = _validated(values)
            if event.type.startswith("assistant.") and not self._extensions:
                raise ApiError(f"type: {event.type!r} is no event", param="type")
            self._bad = 0
            await self._commands.handle(event)
        except ApiError as error:
            code = error.code or "invalid_value"
            self.emit(wire.error(error.message, code=code, param=error.param, event_id=event_id))
        except AssistantError as error:
            self.emit(wire.error(str(error), code="invalid_value", event_id=event_id))
        if self._bad > MAX_BAD:
            self._socket.close(REFUSED, "too many messages that are no events")

    def _parsed(self, text: str) -> Json:
        """Returns the JSON object of a message. Raises ApiError if the message is not one."""
        self._bad += 1
        check_json(text.encode("utf-8", "replace"), self._max_json_depth)
        try:
            values = json.loads(text)
        except ValueError:
            raise ApiError("the message is not JSON", code="invalid_json") from None
        if not isinstance(values, dict):
            raise ApiError("the message is not a JSON object", code="invalid_json")
        return values

    # The end.

    async def _leave_when_drained(self) -> None:
        """Closes the socket of a server that stops, once no response runs."""
        await self._draining.wait()
        while self._responses.busy or self._out_of_band.busy:
            await self._responses.changed.wait()
        self._socket.close(GOING_AWAY, "the server is about to stop")

    async def _wind_down(self) -> None:
        """Leaves the history as it was played, for a client that resumes the conversation."""
        self._live.clear()
        self._live.stop()
        with anyio.move_on_after(WIND_DOWN_S):
            edited = anyio.Event()
            self._live.edit(edited.set)
            await edited.wait()
            while self._responses.busy:
                await self._responses.changed.wait()


def _validated(values: Json) -> ClientEvent:
    """Returns the event that the values describe. Raises ApiError if they describe none."""
    try:
        return _EVENTS.validate_python(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        if first["type"].startswith("union_tag"):
            message = f"type: {str(values.get('type'))[:64]!r} is no event"
            raise ApiError(message, param="type", code="invalid_value") from None
        message, param = describe_invalid([{**first, "loc": first["loc"][1:]}])
        raise ApiError(message, param=param, code="invalid_value") from None
