"""What an app has besides the assistant: keys, limits, the queue of turns, figures, sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import cast

import anyio
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection

from assistant.assistant import Assistant
from assistant.config import ServerSettings
from assistant.live.lead_ins import LeadIns
from assistant.live.phrase_cache import PhraseCache
from assistant.live.vad import silero
from assistant.server.audio.fetch import FetchLimits, fetch_audio
from assistant.server.auth.bind import check_address
from assistant.server.auth.client_secrets import ClientSecrets
from assistant.server.auth.key_file import KeyFile
from assistant.server.auth.middleware import AuthMiddleware
from assistant.server.auth.rate_limits import RateLimits
from assistant.server.http.body_limits import BodyLimitMiddleware
from assistant.server.http.request_log import REQUEST_ID, RequestIdMiddleware
from assistant.server.http.websockets import Sockets
from assistant.server.live_metrics import LiveMetrics
from assistant.server.metrics import Metrics
from assistant.server.realtime.resumption import ResumableSessions
from assistant.server.sessions.manager import SessionManager
from assistant.server.sessions.sqlite import SqliteStore
from assistant.server.turn_queue import TurnQueue
from assistant.server.twilio.telephone import Telephone

Fetch = Callable[[str], Awaitable[bytes]]
"""The bytes behind a URL. Raises AudioError."""


class ServerState:
    """Made with the app; raises SettingsError for a bad key file or an address that needs keys."""

    def __init__(self, settings: ServerSettings) -> None:
        check_address(settings)
        limits = settings.limits
        self.settings = settings
        self.keys = None if settings.keys is None else KeyFile(settings.keys)
        self.rates = RateLimits()
        self.secrets = ClientSecrets()
        self.gate = TurnQueue(limits, self.rates)
        self.sockets = Sockets(settings.sockets, limits.stall_s)
        self.metrics = Metrics()
        self.live = LiveMetrics(self.metrics.registry)
        self.resumable = ResumableSessions(settings.sockets)
        self.telephone = Telephone(settings, self.metrics, self.sockets.draining)
        self.lead_ins: LeadIns | None = None
        """Of all live conversations."""
        fetch_limits = FetchLimits(limits.max_body_bytes, limits.fetch_timeout_s)
        self.fetch: Fetch = partial(fetch_audio, limits=fetch_limits)
        self.ready = False
        self._keeper: SessionManager | None = None
        self.metrics.gauge("turns_running", "Turns that run.", lambda: self.gate.running)
        self.metrics.gauge(
            "turns_waiting", "Turns that wait for a place.", lambda: self.gate.waiting
        )
        self.metrics.gauge("sockets_open", "Open WebSockets.", lambda: self.sockets.open)
        self.metrics.gauge("conversations_open", "Live conversations.", lambda: self.live.open)
        self.metrics.gauge("sessions_live", "Sessions that are in memory.", self._live_sessions)

    @property
    def sessions(self) -> SessionManager:
        assert self._keeper is not None, "asked for before the start"
        return self._keeper

    def _live_sessions(self) -> int:
        return self._keeper.live if self._keeper else 0

    @asynccontextmanager
    async def running(self, assistant: Assistant) -> AsyncIterator[None]:
        """Around the time in which the server answers; inside that of the assistant."""
        async with AsyncExitStack() as stack:
            store = SqliteStore(self.settings.sessions)
            await anyio.to_thread.run_sync(store.open)
            keeper = SessionManager(assistant, store, self.settings.sessions)
            self._keeper = await stack.enter_async_context(keeper)
            await stack.enter_async_context(self.resumable)
            await anyio.to_thread.run_sync(silero.load)  # or the first caller would wait for it
            self.lead_ins = LeadIns(PhraseCache(assistant))
            self.telephone.start(assistant, self.lead_ins.phrases)
            self.ready = True
            try:
                yield
            finally:
                self.drain()

    def drain(self) -> None:
        """No turn begins from here on; /ready says so, and the WebSockets are told."""
        self.ready = False
        self.gate.draining = True
        self.sockets.draining.set()


def install_state(app: FastAPI, settings: ServerSettings) -> ServerState:
    """Gives the app its parts, and puts the middleware around it: the last one added sees a
    request first.
    """
    parts = app.state.parts = ServerState(settings)
    app.add_middleware(BodyLimitMiddleware, limits=settings.limits)
    app.add_middleware(
        AuthMiddleware, settings=settings, keys=parts.keys, rates=parts.rates, secrets=parts.secrets
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", REQUEST_ID],
            expose_headers=[REQUEST_ID, "Retry-After"],
        )
    app.add_middleware(RequestIdMiddleware)
    return parts


def get_state(connection: HTTPConnection) -> ServerState:
    """The parts of this server; for FastAPI's Depends too."""
    return cast(ServerState, connection.app.state.parts)
