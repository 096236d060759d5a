"""/v1/sessions: conversations that the server stores."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from assistant.assistant import Assistant
from assistant.events import Failed
from assistant.server.auth.access import Access, require
from assistant.server.http.errors import ApiError, ErrorBody, forbidden
from assistant.server.http.streaming import Stream, as_sse, unless_disconnected
from assistant.server.sessions.live_session import Events
from assistant.server.sessions.manager import SessionManager
from assistant.server.sessions.schema import (
    History,
    NewSession,
    SessionInfo,
    SessionList,
    TurnAnswer,
    TurnCollector,
)
from assistant.server.sessions.serialize import to_public
from assistant.server.sessions.turn_input import TURN_BODY, read_turn
from assistant.server.state import get_state
from assistant.server.turns import admitted, first_output
from assistant.session import Session

ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}}
router = APIRouter(prefix="/v1/sessions", tags=["sessions"], responses=ERRORS)
Caller = Annotated[Access, Depends(require("sessions"))]


@router.post("", status_code=201)
async def create(request: Request, access: Caller, new: NewSession) -> SessionInfo:
    """Begins a conversation, which belongs to the key that asks."""
    assistant = get_state(request).assistant
    settings = assistant.settings
    tools = _tools(assistant, access, new.tools)
    voice = settings.voice if new.voice is None else new.voice
    live = (
        await get_state(request)
        .get(SessionManager)
        .create(
            access,
            system_prompt=settings.system_prompt
            if new.system_prompt is None
            else new.system_prompt,
            language=settings.language if new.language is None else new.language,
            normal_voice=voice,
            voice=voice,
            tools=tools,
            speak=new.speak,
            metadata=dict(new.metadata),
        )
    )
    return SessionInfo.of(live.record)


def _tools(assistant: Assistant, access: Access, asked: list[str] | None) -> tuple[str, ...] | None:
    if asked is None:
        return None
    known = {schema.name for schema in assistant.dispatcher.schemas()}
    if unknown := sorted(set(asked) - known):
        raise ApiError(f"no tool is called {unknown[0]!r}", param="tools")
    allowed = access.tools(asked)
    if refused := sorted(set(asked) - (allowed or frozenset())):
        raise forbidden(f"this key may not use the tool {refused[0]!r}")
    return tuple(sorted(asked))


@router.get("")
async def list_sessions(
    request: Request, access: Caller, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
) -> SessionList:
    """The sessions of this key, the newest first."""
    records = await get_state(request).get(SessionManager).of_owner(access, limit)
    return SessionList(data=[SessionInfo.of(record) for record in records])


@router.get("/{session_id}")
async def get(request: Request, access: Caller, session_id: str) -> SessionInfo:
    live = await get_state(request).get(SessionManager).find(access, session_id)
    return SessionInfo.of(live.record)


@router.get("/{session_id}/history")
async def history(request: Request, access: Caller, session_id: str) -> History:
    """The messages, with the tools that ran, without audio."""
    live = await get_state(request).get(SessionManager).find(access, session_id)
    return History(data=[to_public(message) for message in live.session.history])


@router.delete("/{session_id}", status_code=204)
async def delete(request: Request, access: Caller, session_id: str) -> Response:
    """Forgets the conversation and all that was said in it; a running turn is stopped."""
    await get_state(request).get(SessionManager).delete(access, session_id)
    return Response(status_code=204)


@router.post("/{session_id}/cancel", status_code=204)
async def cancel(request: Request, access: Caller, session_id: str) -> Response:
    """Stops the turn that runs, if any. What was said until then stays in the history."""
    live = await get_state(request).get(SessionManager).find(access, session_id)
    if live.turn is not None:
        await live.turn.stop()
    return Response(status_code=204)


@router.post(
    "/{session_id}/turns",
    response_model=TurnAnswer,
    openapi_extra=TURN_BODY,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def turn(request: Request, access: Caller, session_id: str) -> Any:
    """Takes a user turn; the response comes as server-sent events while it is generated.

    Events are those of `assistant ask --json-audio`, named by their type; samples are base64 of
    little-endian int16, 24 kHz mono.
    """
    state = get_state(request)
    manager = state.get(SessionManager)
    await manager.find(access, session_id)  # before the audio is decoded
    question = await read_turn(request)

    def start(session: Session) -> Events:
        return admitted(request, session.ask(*question.parts))

    running = await manager.turn(access, session_id, start, interrupt=question.interrupt)
    events = await first_output(request, running)
    if question.stream:
        sse = as_sse(events, with_samples=True)
        limit = state.settings.limits.stall_s
        return Stream(sse, media_type="text/event-stream", stall_s=limit, headers=NO_CACHE)
    return await unless_disconnected(request, lambda: _whole(events))


NO_CACHE = {"Cache-Control": "no-store"}


async def _whole(events: Events) -> TurnAnswer:
    turn = TurnCollector()
    problem = ""
    async with aclosing(events):
        async for event in events:
            turn.add(event)
            if isinstance(event, Failed):
                problem = event.message
    if problem:
        raise ApiError(problem, status=500)
    return turn.answer
