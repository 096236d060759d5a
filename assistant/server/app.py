"""The app: made of settings, and of an assistant that it opens and closes. No globals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from assistant.assistant import Assistant
from assistant.config import Settings, load_settings
from assistant.server import health, models, page, tools, voices
from assistant.server.chat import routes as chat
from assistant.server.chat.turn_cache import TurnCache
from assistant.server.generate import routes as generate
from assistant.server.generate.text_streams import TextStreams
from assistant.server.http.handlers import install_handlers
from assistant.server.realtime import routes as realtime
from assistant.server.sessions import routes as sessions
from assistant.server.speech import routes as speech
from assistant.server.speech import transcription_routes as transcriptions
from assistant.server.state import install_state
from assistant.server.twilio import routes as twilio

ROUTES = (
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


def create_app(settings: Settings | None = None, *, assistant: Assistant | None = None) -> FastAPI:
    """The server as an ASGI app.

    `assistant`: one that is made already and not open yet, instead of one made of the settings.
    It is opened at startup and closed at shutdown. Settings not given are those of the
    assistant, or the ones that load_settings finds.
    """
    if settings is None:
        settings = assistant.settings if assistant else load_settings()
    made = assistant or Assistant(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with made:
            await made.warm_up()
            async with parts.running(made):
                yield

    app = FastAPI(title="Voice assistant", lifespan=lifespan)
    app.state.settings = settings
    app.state.assistant = made
    app.state.recall = TurnCache()
    app.state.text_streams = TextStreams()
    install_handlers(app)
    parts = install_state(app, settings.server)
    for module in ROUTES:
        app.include_router(module.router)
    return app
