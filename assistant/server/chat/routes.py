"""POST /v1/chat/completions, in the dialects of OpenAI, vLLM-Omni and StepFun."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from assistant.server.auth.access import require
from assistant.server.chat.completion import Chat
from assistant.server.chat.request import ChatRequest
from assistant.server.chat.schema import ChatCompletion
from assistant.server.http import sse
from assistant.server.http.errors import ERRORS
from assistant.server.http.handlers import CompactJson
from assistant.server.http.streaming import Stream, unless_disconnected
from assistant.server.state import get_state
from assistant.server.turns import begin

router = APIRouter(
    prefix="/v1", tags=["chat"], dependencies=[Depends(require("chat"))], responses=ERRORS
)
_STREAM: dict[str, Any] = {"content": sse.DESCRIBED}


@router.post("/chat/completions", responses={200: {"model": ChatCompletion, **_STREAM}})
async def create_chat_completion(request: Request, body: ChatRequest) -> Response:
    """Completes a conversation, in text or in speech, whole or streamed.

    The server's tools run here and show in `assistant_event` and `assistant_events`. A call of a
    tool that the request brings comes back in `tool_calls`; its result is a message of the next
    request.
    """
    settings = get_state(request).assistant.settings
    chat = await unless_disconnected(request, lambda: Chat.read(request, body))
    turn = await begin(request, chat.turn(settings))
    if body.stream:
        stall_s = settings.server.limits.stall_s
        return Stream(chat.pieces(turn), media_type=sse.MEDIA_TYPE, stall_s=stall_s)
    return CompactJson(await unless_disconnected(request, lambda: chat.whole(turn)))
