"""The one way from an endpoint to the loop: sessions are opened here, and turns run here.

Whatever holds for all turns (limits of a caller, places in the queue, figures) has its place here,
and no endpoint can forget it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection, Request

from assistant.audio.samples import Pcm16
from assistant.audio.voice import DEFAULT_VOICE
from assistant.errors import LibraryError
from assistant.events import (
    AudioChunk,
    Event,
    Failed,
    ToolCallFinished,
    ToolCallStarted,
    ToolProgress,
    Transcript,
    TurnEnded,
    TurnStarted,
    VoiceChanged,
    to_json,
)
from assistant.plugins import VoiceSearch
from assistant.server.audio.encode import Encoder, Format
from assistant.server.auth.access import access_of
from assistant.server.http.errors import ApiError, too_large
from assistant.server.http.idempotency import mark_effect
from assistant.server.http.streaming import unless_disconnected
from assistant.server.logs import log_content
from assistant.server.state import get_state
from assistant.session import Session


def open_session(
    connection: HTTPConnection, *, voice: str | None = None, **options: Any
) -> Session:
    """A new conversation for this caller.

    `voice`: id of a clip; clients send the names of other services' voices unasked, so an unknown
    one is the server's default.
    """
    assistant, access = get_state(connection).assistant, access_of(connection)
    voices = access.voices(assistant.library)
    asked = options.get("allow")
    options["allow"] = lambda: access.tools(asked)
    return assistant.session(voice=known_voice(voices, voice), voices=voices, **options)


def check_speech_text(connection: HTTPConnection, text: str, param: str) -> None:
    """Raises ApiError if the text is longer than what is read aloud."""
    most = get_state(connection).settings.limits.max_speech_chars
    if len(text) > most:
        raise ApiError(f"{param}: {len(text)} characters; at most {most} are read", param=param)


def known_voice(voices: VoiceSearch, voice: str | None) -> str | None:
    if voice is None or voice == DEFAULT_VOICE:
        return None
    try:
        return voices.get(voice).id
    except LibraryError:
        return None


async def admitted(
    connection: HTTPConnection, turn: AsyncGenerator[Event, None], *, counted: bool = True
) -> AsyncGenerator[Event, None]:
    """The events of the turn, which begins when the queue has a place for it, and is measured.

    A turn of a WebSocket counts as a request of its key if `counted`; an HTTP request was counted
    as it came. Raises ApiError: 401 if the key was removed, 429, 503, see TurnQueue.
    """
    state = get_state(connection)
    meter = state.metrics.turn()
    try:
        key = access_of(connection).key
        if counted and connection.scope["type"] == "websocket":
            state.rates.count_request(key)
        async with state.turn_queue.turn(key), aclosing(turn):
            async for event in turn:
                meter.handle(event)
                state.watchdog.moved()
                if isinstance(event, TurnEnded):
                    state.watchdog.ended(failed=event.reason == "failed")
                if isinstance(event, ToolCallStarted) and state.has_effect(event.name):
                    mark_effect(connection)
                if state.settings.log_content:
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
    """Starts a turn and waits for its first output, so that an earlier failure is an error status.

    Returns all events of the turn; the reader must close them. The turn is cancelled if the client
    disconnects meanwhile. Raises ApiError.
    """
    first: list[Event] = []

    async def wait() -> None:
        async for event in turn:
            first.append(event)
            if not isinstance(event, TurnStarted):
                return

    await unless_disconnected(request, wait)
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


MAX_COLLECTED_S = 900.0
"""Seconds of audio in a response that is not streamed: 43 MB."""

STEPS = (Transcript, ToolCallStarted, ToolProgress, ToolCallFinished, VoiceChanged)
"""Events besides text and audio; clients get them in an extra field."""


@dataclass
class TurnResult:
    """The result of a whole turn. `steps` are events as JSON."""

    ended: TurnEnded
    chunks: list[Pcm16] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    transcript: str = ""


async def collect(turn: AsyncIterator[Event]) -> TurnResult:
    """Reads the turn to its end.

    Raises ApiError: it failed, was cancelled, or has more than MAX_COLLECTED_S of audio.
    """
    seconds = 0.0
    parts: dict[str, Any] = {"chunks": [], "codes": [], "steps": [], "transcript": ""}
    async for event in turn:
        match event:
            case AudioChunk():
                seconds += event.seconds
                if seconds > MAX_COLLECTED_S:
                    raise too_large(
                        f"the audio is longer than {MAX_COLLECTED_S:g} s: ask for a stream"
                    )
                parts["chunks"].append(event.samples)
                parts["codes"].extend(event.codes)
            case TurnEnded():
                check_ended(event)
                return TurnResult(event, **parts)
            case Failed():
                raise failure(event)
            case _ if isinstance(event, STEPS):
                parts["steps"].append(to_json(event))
                if isinstance(event, Transcript):
                    parts["transcript"] = event.text
    raise AssertionError("a turn ends with TurnEnded")


def failure(event: Failed) -> ApiError:
    """Returns the error for the client of a turn that failed."""
    return ApiError(event.message, status=400 if event.fault == "input" else 500)


def check_ended(ended: TurnEnded) -> None:
    """Raises ApiError when the turn was stopped by something else than its client."""
    if ended.reason == "cancelled":
        raise ApiError("The turn was stopped: the server is about to stop.", status=503)


async def audio_bytes(
    turn: AsyncGenerator[Event, None], form: Format, *, header_alone: bool = False
) -> AsyncGenerator[bytes, None]:
    """Yields the file as it is generated. Raises ApiError if the turn fails: the file must not look
    whole.

    `header_alone`: the header is a piece by itself.
    """
    encoder = Encoder(form)
    start = encoder.start()
    if header_alone and start:
        yield start
        start = b""
    async with aclosing(turn):
        async for event in turn:
            match event:
                case AudioChunk():
                    piece, start = start + encoder.feed(event.samples), b""
                    if piece:
                        yield piece
                case Failed():
                    raise failure(event)
                case TurnEnded():
                    check_ended(event)
    rest = start + encoder.finish()
    if rest:
        yield rest
