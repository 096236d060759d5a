"""The app: joins the protocols, the middleware and the state, and opens and closes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from assistant.assistant import Assistant
from assistant.concurrency import open_tasks
from assistant.config import Settings
from assistant.live.vad.frames import SpeechDetector
from assistant.live.vad.gated import GatedDetector
from assistant.server import api_page, health, models, page, tools, voices
from assistant.server.auth.middleware import AuthMiddleware, check_address
from assistant.server.chat import routes as chat
from assistant.server.chat.turn_cache import TurnCache
from assistant.server.generate import routes as generate
from assistant.server.generate.text_streams import TextStreams
from assistant.server.http.body_limits import BodyLimitMiddleware
from assistant.server.http.handlers import install_handlers
from assistant.server.http.idempotency import IdempotencyMiddleware
from assistant.server.http.load_shedding import LoadSheddingMiddleware
from assistant.server.http.request_log import REQUEST_ID, RequestIdMiddleware
from assistant.server.realtime import routes as realtime
from assistant.server.realtime.resumption import ResumableSessions
from assistant.server.sessions import routes as sessions
from assistant.server.sessions.manager import SessionManager
from assistant.server.sessions.sqlite import SqliteStore
from assistant.server.sessions.store import SessionStore
from assistant.server.speech import routes as speech
from assistant.server.speech import transcription_routes as transcriptions
from assistant.server.state import ServerState
from assistant.server.twilio import routes as twilio
from assistant.server.twilio.telephone import OWNER, VOICE_PATH, Telephone

ROUTES = (
    api_page,
    chat,
    speech,
    transcriptions,
    models,
    generate,
    health,
    page,
    realtime,
    sessions,
    tools,
    twilio,
    voices,
)


def create_app(
    settings: Settings | None = None,
    *,
    assistant: Assistant | None = None,
    session_store: SessionStore | None = None,
    speech_detector: Callable[[], SpeechDetector] = GatedDetector,
) -> FastAPI:
    """Returns the server as an ASGI app.

    `assistant`: one that exists and is not open yet, instead of one for `settings`, which are by
    default those that load_settings finds. It is loaded, warmed up and closed with the app.
    `session_store`: where conversations are stored, instead of SQLite. `speech_detector`: returns a
    new detector for each live conversation, instead of Silero VAD; also called once at start-up, in
    a worker thread, so that it loads its model. Raises SettingsError if the key file is wrong, or
    if other machines could reach the server without a key.
    """
    assistant = assistant or Assistant(settings)
    settings = settings or assistant.settings
    check_address(settings.server)
    state = ServerState(assistant, speech_detector)
    _add_protocols(state, session_store or SqliteStore(settings.server.sessions))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with assistant, _running(state):
            yield

    # Its own /docs and /redoc run scripts of other hosts in the origin of the web page.
    app = FastAPI(title="Voice assistant", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.server = state
    install_handlers(app)
    _add_middleware(app, state)
    for module in ROUTES:
        app.include_router(module.router)
    return app


def _add_protocols(state: ServerState, store: SessionStore) -> None:
    manager = SessionManager(state.assistant, store, state.settings.sessions)
    telephone = Telephone(
        state.settings, state.metrics, state.sockets.draining, check=state.memory.check
    )
    state.sockets.reserve(OWNER, telephone.places)
    state.metrics.gauge("sessions_live", "Sessions that are in memory.", lambda: manager.live)
    state.metrics.gauge(
        "sessions_memory_bytes", "Bytes of the sessions in memory.", lambda: manager.memory_bytes
    )
    resumable = ResumableSessions(state.settings.sockets)
    for part in (manager, resumable, telephone, TurnCache(), TextStreams()):
        state.add(part)


@asynccontextmanager
async def _running(state: ServerState) -> AsyncIterator[None]:
    """Surrounds the time in which the server takes requests."""
    await state.assistant.warm_up()
    await anyio.to_thread.run_sync(state.new_speech_detector)  # loads the model, if it has one
    async with state.get(SessionManager), state.get(ResumableSessions), open_tasks() as tasks:
        tasks.start_soon(state.watch_keys)
        tasks.start_soon(state.watchdog.run)
        state.get(Telephone).start(state.assistant, state.lead_ins.phrases)
        state.ready = True
        try:
            yield
        finally:
            state.drain()


def _add_middleware(app: FastAPI, state: ServerState) -> None:
    """Wraps the app; the middleware that is added last sees a request first."""
    settings = state.settings
    app.add_middleware(IdempotencyMiddleware)
    app.add_middleware(BodyLimitMiddleware, limits=settings.limits)
    app.add_middleware(LoadSheddingMiddleware, check=state.memory.check, exempt=(VOICE_PATH,))
    app.add_middleware(
        AuthMiddleware,
        settings=settings,
        keys=state.keys,
        rates=state.rates,
        secrets=state.secrets,
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
