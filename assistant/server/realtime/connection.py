"""One socket, and the conversation that is held over it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
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
from assistant.messages import Message
from assistant.server.http.body_limits import check_json
from assistant.server.http.errors import ApiError, describe_invalid
from assistant.server.http.websockets import ANSWERS, GOING_AWAY, REFUSED, Socket
from assistant.server.live_metrics import LiveMeter
from assistant.server.realtime import extensions as ours
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.client_events import ClientEvent
from assistant.server.realtime.commands import Commands
from assistant.server.realtime.event_writer import ServerEventWriter
from assistant.server.realtime.ids import new_id
from assistant.server.realtime.out_of_band import OutOfBandResponses
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.session import RealtimeSession
from assistant.server.realtime.session_config import RATES
from assistant.server.realtime.transcripts import Transcripts
from assistant.server.state import get_state
from assistant.server.turns import admitted, get_assistant

Json = dict[str, Any]

MAX_BAD = 20
"""Messages in a row that are no events; then the client is sent away."""
WIND_DOWN_S = 5.0

_EVENTS: TypeAdapter[ClientEvent] = TypeAdapter(ClientEvent)


class Connection:
    """Runs until the socket is closed. `extensions`: also events of ours are sent and taken."""

    def __init__(
        self,
        websocket: WebSocket,
        socket: Socket,
        conversation: RealtimeSession,
        meter: LiveMeter,
        *,
        extensions: bool,
    ) -> None:
        self.conversation = conversation
        self.settings = get_assistant(websocket).settings
        self.narrator: ServerEventWriter
        self.apart: OutOfBandResponses
        self._websocket = websocket
        self._socket = socket
        self._meter = meter
        self._parts = get_state(websocket)
        self._extensions = extensions
        self._expires_at = int(time.time() + self.settings.server.sockets.session_s)
        self._bad = 0
        self._changed = anyio.Event()
        self.live = LiveConversation(
            conversation.session,
            conversation.live_settings,
            pausable=extensions,
            admit=partial(admitted, websocket),
            lead_ins=self._parts.lead_ins,
        )
        self._commands = Commands(self)

    async def run(self) -> None:
        self.emit(wire.session("created", self._shown()))
        if self._extensions:
            resumable_s = self.settings.server.sockets.resume_s
            voice = self.conversation.voice.id
            self.emit(ours.session(self.conversation.id, voice, resumable_s))
        async with self.live, anyio.create_task_group() as tasks:
            self._start(tasks)
            while (text := await self._socket.receive()) is not None:
                await self._take(text)
                await self._socket.room(ANSWERS)
            await self._wind_down()
            tasks.cancel_scope.cancel()

    def _start(self, tasks: TaskGroup) -> None:
        transcripts = Transcripts(self._websocket, self.conversation, self.emit, tasks)
        self.apart = OutOfBandResponses(
            self._websocket, self.conversation, self.emit, tasks, self._settled, self._joined
        )
        self.narrator = ServerEventWriter(
            self.conversation,
            self.emit,
            transcripts,
            self._meter,
            extensions=self._extensions,
            told=self.tell_session,
            answered=lambda: self._answers,
        )
        self.configure()
        tasks.start_soon(self._listen)
        tasks.start_soon(self._leave_when_drained)

    # Out.

    def emit(self, event: Json) -> None:
        event["event_id"] = new_id("event")
        self._socket.send(json.dumps(event, separators=(",", ":")))

    def tell_session(self) -> None:
        self.emit(wire.session("updated", self._shown()))

    def _shown(self) -> Json:
        return self.conversation.shown(self._expires_at)

    async def _listen(self) -> None:
        async for event in self.live:
            self.narrator.see(event)
            if isinstance(event, UserTurn):
                self._after_turn()
            self._notify()
            await self._socket.room()

    def _after_turn(self) -> None:
        if self.conversation.items.full:
            self.emit(wire.error("the conversation is full", code="full"))
            self._socket.close(REFUSED, "the conversation is full")
        if self.conversation.transcribes:
            self.live.edit(self.conversation.session.history.clear)
        elif self._answers and not self._plain and not self.narrator.busy:
            self.respond(ResponseOptions.of(self.conversation.config))

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    # In.

    async def _take(self, text: str) -> None:
        event_id = None
        try:
            values = self._parsed(text)
            event_id = values.get("event_id") if isinstance(values.get("event_id"), str) else None
            event = _validated(values)
            if event.type.startswith("assistant.") and not self._extensions:
                raise ApiError(f"type: {event.type!r} is no event", param="type")
            self._bad = 0
            await self._commands.do(event)
        except ApiError as error:
            code = error.code or "invalid_value"
            self.emit(wire.error(error.message, code=code, param=error.param, event_id=event_id))
        except AssistantError as error:
            self.emit(wire.error(str(error), code="invalid_value", event_id=event_id))
        if self._bad > MAX_BAD:
            self._socket.close(REFUSED, "too many messages that are no events")

    def _parsed(self, text: str) -> Json:
        """Raises ApiError."""
        self._bad += 1
        check_json(text.encode("utf-8", "replace"), self._parts.settings.limits.max_json_depth)
        try:
            values = json.loads(text)
        except ValueError:
            raise ApiError("the message is not JSON", code="invalid_json") from None
        if not isinstance(values, dict):
            raise ApiError("the message is not a JSON object", code="invalid_json")
        return values

    def count_sound(self, seconds: float) -> None:
        self._parts.metrics.audio_in.inc(seconds)

    # What the conversation is told.

    @property
    def _answers(self) -> bool:
        """Whether turns are answered by themselves."""
        detection = self.conversation.config.audio.input.turn_detection
        return bool(detection and detection.answers and not self.conversation.transcribes)

    @property
    def _plain(self) -> bool:
        """Whether answers need nothing that only `respond` can say: they can begin early then."""
        config = self.conversation.config
        return config.tool_choice == "auto" and config.max_output_tokens == "inf"

    def configure(self) -> None:
        """After a change of the session."""
        heard = self.conversation.config.audio.input
        self.live.configure(
            self.conversation.live_settings,
            manual=heard.turn_detection is None,
            answers=self._answers and self._plain,
            input_rate=RATES[heard.format.type],
        )
        self.live.edit(self.conversation.apply)

    def check_free(self) -> None:
        """Raises ApiError."""
        if self.narrator.busy or self.apart.joins:
            message = "the conversation has an active response already: wait, or cancel it"
            raise ApiError(message, code="conversation_already_has_active_response")

    def respond(self, wish: ResponseOptions) -> None:
        """Raises ApiError."""
        self.check_free()
        options = wish.turn_options(self.settings.sampling)
        if not self.live.respond(context=wish, **options):
            message = "the conversation has an active response already"
            raise ApiError(message, code="conversation_already_has_active_response")
        self.narrator.expected.add(self.live.response_id)

    async def _settled(self) -> None:
        """Until the changes asked for so far are made, unless they wait for a turn to end."""
        if not self.narrator.busy:
            await self._edited()

    async def _edited(self) -> None:
        done = anyio.Event()
        self.live.edit(done.set)
        await done.wait()

    def _joined(self, messages: Sequence[Message]) -> None:
        """A response apart is over."""
        if messages:
            self.live.edit(lambda: self.conversation.session.history.extend(messages))
        self._notify()

    # The end.

    async def _leave_when_drained(self) -> None:
        """What is being said may be said to its end."""
        await self._parts.sockets.draining.wait()
        while self.narrator.busy or self.apart.busy:
            await self._changed.wait()
        self._socket.close(GOING_AWAY, "the server is about to stop")

    async def _wind_down(self) -> None:
        """Leaves the history as it was heard, for whoever comes back."""
        self.live.clear()
        self.live.stop()
        with anyio.move_on_after(WIND_DOWN_S):
            await self._edited()
            while self.narrator.busy:
                await self._changed.wait()


def _validated(values: Json) -> ClientEvent:
    """Raises ApiError."""
    try:
        return _EVENTS.validate_python(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        if first["type"].startswith("union_tag"):
            message = f"type: {str(values.get('type'))[:64]!r} is no event"
            raise ApiError(message, param="type", code="invalid_value") from None
        message, param = describe_invalid([{**first, "loc": first["loc"][1:]}])
        raise ApiError(message, param=param, code="invalid_value") from None
