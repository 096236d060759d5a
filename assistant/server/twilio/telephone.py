"""The telephone of a server: checks calls, counts them, and ends them in time."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import anyio
from starlette.requests import HTTPConnection

from assistant.assistant import Assistant
from assistant.config import ServerSettings
from assistant.live.clock import Clock, SystemClock
from assistant.live.conversation import LiveConversation
from assistant.live.phrase_cache import PhraseCache
from assistant.server.http.errors import ApiError, conflict, forbidden, not_found
from assistant.server.http.websockets import GOING_AWAY, REFUSED
from assistant.server.metrics import LiveMeter, LiveMetrics, Metrics
from assistant.server.twilio.call import Call, Line
from assistant.server.twilio.frames import CALL_SID, Start
from assistant.server.twilio.inbound import InboundAudio, first_start
from assistant.server.twilio.pending_calls import PendingCalls
from assistant.server.twilio.signature import HEADER, Fields, is_signed

logger = logging.getLogger(__name__)

VOICE_PATH, MEDIA_PATH = "/twilio/voice", "/twilio/media"
OWNER = "telephone"
"""The owner of the sockets of calls; no API key has such an id."""
TOKEN = "token"
"""The parameter of the start message that says which announced call it is."""
NO_MEDIA_S = 15.0
"""Twilio sends audio all the time, also silence; a connection without any for this long is dead, in
seconds.
"""
TICK_S = 0.5
LEAVE_S = 30.0
"""How long the end of a call may take, in seconds."""
STYLE = (
    "You are speaking on the telephone. What the caller presses on the keys of the telephone is "
    "a message of these keys."
)


class Telephone:
    """Shared by all calls.

    `draining`: set once the server is about to stop. `check`: raises ApiError while the server has
    no room for another call.
    """

    def __init__(
        self,
        settings: ServerSettings,
        metrics: Metrics,
        draining: anyio.Event,
        clock: Clock | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings.twilio
        self.clock = clock or SystemClock()
        self.announced = PendingCalls(self.clock)
        self.running = 0
        self._token = settings.twilio.auth_token.get_secret_value()
        self._open = settings.insecure and settings.keys is None
        self._draining = draining
        self._check = check
        self._phrases: PhraseCache | None = None
        metrics.gauge("calls_running", "Telephone calls.", lambda: self.running)
        self._ended = metrics.calls
        self._late = metrics.call_frame_late

    def start(self, assistant: Assistant, phrases: PhraseCache) -> None:
        """Starts to render the phrases of every call. Raises LibraryError if there is no such
        voice.
        """
        self._phrases = phrases
        if not (self._token or self._open):
            return
        session = assistant.session(
            voice=self.settings.voice or None, language=self.settings.language or None
        )
        texts = (self.settings.greeting, self.settings.apology, self.settings.farewell)
        wanted = [text for text in texts if text]
        assistant.start(phrases.prepare, wanted, session.voice, session.language)

    @property
    def places(self) -> int:
        """The WebSockets to reserve: as many may be about to start, or to close, as there are
        calls.
        """
        return 2 * self.settings.max_calls

    @property
    def full(self) -> bool:
        """Whether the next caller gets the busy tone; calls that are announced have a place."""
        taken = self.running + len(self.announced)
        return taken >= self.settings.max_calls or self._lacks_room()

    def _lacks_room(self) -> bool:
        try:
            self._check()
        except ApiError:
            return True
        return self._draining.is_set()

    def announce(self, fields: Mapping[str, str]) -> str | None:
        """Returns the token of the call that a form announces; None if the line is busy.

        Raises ApiError: 422 if it names no call, 403 if it is of another account, 409 if the call
        has come already.
        """
        call_sid = fields.get("CallSid", "")
        if not re.fullmatch(CALL_SID, call_sid):
            raise ApiError("CallSid is not the id of a call", status=422, param="CallSid")
        if self.settings.account_sid not in ("", fields.get("AccountSid", "")):
            raise forbidden("the call is of another account")
        token = self.announced.token(call_sid)
        if token is None and self.announced.is_known(call_sid):
            raise conflict("the call was announced before")
        if token is not None:
            return None if self._lacks_room() else token
        return None if self.full else self.announced.add(call_sid)

    def check(self, connection: HTTPConnection, fields: Fields = ()) -> None:
        """Raises ApiError: 404 if there is no telephone, 403 if the request is not from Twilio."""
        if not self._token:
            if not self._open:
                raise not_found("Not Found")
            return
        query = connection.url.query
        url = self.url(connection) + (f"?{query}" if query else "")
        if not is_signed(connection.headers.get(HEADER, ""), self._token, url, fields):
            raise forbidden("the request is not signed by Twilio; see public_url and auth_token")

    def url(self, connection: HTTPConnection, path: str = "") -> str:
        """An address of this server as Twilio knows it; by default that of the request."""
        path = path or connection.scope["path"]
        base = self.settings.public_url or str(connection.base_url).rstrip("/")
        if path == MEDIA_PATH:
            base = "ws" + base.removeprefix("http") if base.startswith("http") else base
        return base + path

    async def take(
        self, line: Line, open_live: Callable[[], LiveConversation], figures: LiveMetrics
    ) -> None:
        """A call, from the first message of the socket to its end."""
        start = await first_start(line, self.clock)
        if start is None:
            return
        problem = self._problem(start)
        if problem:
            self._ended.labels("refused").inc()
            line.close(REFUSED, problem)
            return
        with self._counted(), figures.meter() as meter:
            await self._talk(line, start, open_live(), meter)

    def _problem(self, start: Start) -> str:
        """Returns why the call is refused; empty if it is accepted."""
        details = start.start
        token = details.custom_parameters.get(TOKEN, "")
        if not self.announced.take(token, details.call_sid):
            return "the call was not announced"
        if self.settings.account_sid not in ("", details.account_sid):
            return "the call is of another account"
        if not details.media_format.known:
            return "audio must be mu-law, 8 kHz, mono"
        return "no more calls are taken" if self.running >= self.settings.max_calls else ""

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    async def _talk(
        self, line: Line, start: Start, live: LiveConversation, meter: LiveMeter
    ) -> None:
        assert self._phrases is not None, "asked for before the start"
        call = Call(
            line,
            start,
            live,
            self._phrases,
            self.settings,
            self.clock,
            late=self._late.observe,
            seen=meter.handle,
        )
        listening = InboundAudio(line, start, call, self.clock)
        try:
            async with live, anyio.create_task_group() as tasks:
                tasks.start_soon(call.run)
                tasks.start_soon(self._watch, line, call, listening)
                await listening.run()
                tasks.cancel_scope.cancel()
        finally:
            self._ended.labels(call.ended_by or "lost").inc()

    async def _watch(self, line: Line, call: Call, listening: InboundAudio) -> None:
        """Ends a call that is dead, too long, or in the way of a server that stops."""
        began = left_at = self.clock.now()
        while True:
            now = self.clock.now()
            await self.clock.sleep_until(now + TICK_S)
            if not call.ignores_input:
                left_at = now
            if now - listening.last_media_at > NO_MEDIA_S or now - left_at > LEAVE_S:
                call.ended_by = "lost"
                line.close(GOING_AWAY, "no audio arrives from the call")
                return
            if now - began > self.settings.max_call_s:
                call.end("limit")
            elif self._draining.is_set() and not call.live.playing:
                call.end("stopping", GOING_AWAY)
