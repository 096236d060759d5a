"""WS /v1/realtime, and the secrets with which browsers come to it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, WebSocket

from assistant.concurrency import open_tasks
from assistant.server.auth.access import Access, access_of, require
from assistant.server.http.errors import ERRORS
from assistant.server.http.websockets import NORMAL, Socket
from assistant.server.realtime.connection import Connection
from assistant.server.realtime.resumption import ResumableSessions
from assistant.server.realtime.session import RealtimeSession
from assistant.server.realtime.session_config import SecretAnswer, SecretRequest, merged
from assistant.server.state import get_state

router = APIRouter(
    prefix="/v1", tags=["realtime"], dependencies=[Depends(require("realtime"))], responses=ERRORS
)

SUBPROTOCOL = "realtime"
TAKEN_OVER = 4001
"""The close code of a connection whose client came back over another one."""


@router.post("/realtime/client_secrets", responses={200: {"model": SecretAnswer}})
async def create_client_secret(request: Request, body: SecretRequest) -> SecretAnswer:
    """A secret for a browser: it opens live conversations, and nothing else, until it expires."""
    access = access_of(request)
    session = RealtimeSession(request, body.session)
    token, secret = get_state(request).secrets.make(
        access.owner, body.expires_after.seconds, body.session
    )
    expires_at = int(secret.expires_at)
    return SecretAnswer(value=token, expires_at=expires_at, session=session.to_json(expires_at))


@router.websocket("/realtime")
async def realtime(
    websocket: WebSocket,
    model: str = "",
    intent: str = "",
    extensions: str = "",
    session_id: Annotated[str, Query(max_length=128)] = "",
) -> None:
    """A live conversation, in the protocol of OpenAI's Realtime API."""
    state, access = get_state(websocket), access_of(websocket)
    resumable = state.get(ResumableSessions)
    conversation = _begun(websocket, access, model, intent)
    offered = websocket.scope.get("subprotocols", ())
    ours = "assistant" in extensions.split(",")
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in offered else None
    async with state.sockets.accept(websocket, access.owner, subprotocol=subprotocol) as socket:
        if session_id:
            conversation = await resumable.take(session_id, access.owner) or conversation
        with resumable.in_use(conversation, lambda: socket.close(TAKEN_OVER, "taken over")):
            await _hold(websocket, socket, conversation, extensions=ours)
            if socket.code != NORMAL and not state.sockets.draining.is_set():
                conversation.release()
                resumable.keep(conversation)


async def _hold(
    websocket: WebSocket, socket: Socket, conversation: RealtimeSession, *, extensions: bool
) -> None:
    with get_state(websocket).live_metrics.meter() as meter:
        async with open_tasks() as tasks:
            connection = Connection(
                websocket, socket, conversation, meter, tasks, extensions=extensions
            )
            await connection.run()


def _begun(websocket: WebSocket, access: Access, model: str, intent: str) -> RealtimeSession:
    """A new conversation, as the secret and the URL say. Raises ApiError."""
    values: dict[str, Any] = access.secret.session if access.secret else {}
    if intent == "transcription":
        values["type"] = "transcription"
    return RealtimeSession(websocket, merged({"model": model}, values))
