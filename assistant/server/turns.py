"""The one way from an endpoint to the loop: sessions are opened here, and turns run here.

Whatever holds for all turns (limits of a caller, places in the queue, figures) has its place here,
and no endpoint can forget it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar, cast

import anyio
from starlette.requests import ClientDisconnect, HTTPConnection, Request

from assistant.assistant import Assistant
from assistant.audio.voice import DEFAULT_VOICE
from assistant.errors import LibraryError
from assistant.events import Event, Failed, TurnStarted
from assistant.plugins import VoiceSearch
from assistant.server.answers import failure
from assistant.server.auth.access import access_of
from assistant.server.logs import log_content
from assistant.server.state import get_state
from assistant.session import Session

T = TypeVar("T")


def get_assistant(connection: HTTPConnection) -> Assistant:
    """The assistant of this server; for FastAPI's Depends."""
    return cast(Assistant, connection.app.state.assistant)


def open_session(
    connection: HTTPConnection, *, voice: str | None = None, **options: Any
) -> Session:
    """A new conversation for this caller.

    `voice`: id of a clip; clients send the names of other services' voices unasked, so an unknown
    one is the server's default.
    """
    assistant, access = get_assistant(connection), access_of(connection)
    voices = access.voices(assistant.library)
    options["allow"] = access.tools(options.get("allow"))
    return assistant.session(voice=known_voice(voices, voice), voices=voices, **options)


def known_voice(voices: VoiceSearch, voice: str | None) -> str | None:
    if voice is None or voice == DEFAULT_VOICE:
        return None
    try:
        return voices.get(voice).id
    except LibraryError:
        return None


async def admitted(
    connection: HTTPConnection, turn: AsyncGenerator[Event, None]
) -> AsyncGenerator[Event, None]:
    """The events of the turn, which begins when the queue has a place for it, and is counted.

    Raises ApiError: 429, 503, see TurnQueue.
    """
    parts = get_state(connection)
    meter = parts.metrics.turn()
    try:
        async with parts.gate.turn(access_of(connection).key), aclosing(turn):
            async for event in turn:
                meter.see(event)
                if parts.settings.log_content:
                    log_content(event)
                yield event
    finally:
        meter.finish()


async def begin(request: Request, turn: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """`first_output` of a turn that goes through the queue."""
    return await first_output(request, admitted(request, turn))


async def first_output(
    request: Request, turn: AsyncGenerator[Event, None]
) -> AsyncGenerator[Event, None]:
    """Starts a turn and waits for its first output, so that what fails before is an error status.

    Gives the whole turn's events. The turn is cancelled when the client goes away meanwhile, and
    whoever reads the rest must close it. Raises ApiError.
    """
    first: list[Event] = []

    async def wait() -> None:
        async for event in turn:
            first.append(event)
            if not isinstance(event, TurnStarted):
                return

    await unless_gone(request, wait)
    for event in first:
        if isinstance(event, Failed):
            await turn.aclose()
            raise failure(event)
    return _joined(first, turn)


async def _joined(
    first: list[Event], turn: AsyncGenerator[Event, None]
) -> AsyncGenerator[Event, None]:
    async with aclosing(turn):
        for event in first:
            yield event
        async for event in turn:
            yield event


async def unless_gone(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`, which is cancelled when the client goes away.

    Raises ClientDisconnect then. The request's body must have been read.
    """
    results: list[T] = []
    failures: list[Exception] = []
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - out of the task group, which would wrap it
            failures.append(error)
        tasks.cancel_scope.cancel()
    if failures:
        raise failures[0]
    if not results:
        raise ClientDisconnect
    return results[0]
