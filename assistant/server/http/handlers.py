"""Whatever goes wrong becomes one line in the shape that the path's clients expect."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assistant.errors import AssistantError, EngineError
from assistant.server.http.errors import ApiError, describe_invalid
from assistant.server.http.paths import route_path

logger = logging.getLogger(__name__)


class CompactJson(Response):
    """JSON without a newline or a space in it: StepFun's client reads bodies line by line."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        # ASCII, for the half of a surrogate pair that a client may send can't be UTF-8.
        return json.dumps(content, separators=(",", ":"), default=str).encode("ascii")


def answer(request: HTTPConnection, error: ApiError) -> Response:
    body = error.body(route_path(request.scope))
    return CompactJson(body, status_code=error.status, headers=error.headers)


async def respond_with_error(scope: Scope, receive: Receive, send: Send, error: ApiError) -> None:
    """Responds with an error in middleware, outside of the exception handlers.

    A WebSocket that is not accepted yet gets an HTTP response.
    """
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await answer(HTTPConnection(scope), error)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:120]})


async def on_api_error(request: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return answer(request, error)


async def on_assistant_error(request: Request, error: Exception) -> Response:
    status = 500 if isinstance(error, EngineError) else 400
    return answer(request, ApiError(str(error), status=status))


async def on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    message, param = describe_invalid(error.errors())
    status = 400 if route_path(request.scope).startswith("/v1") else 422
    return answer(request, ApiError(message, status=status, param=param))


async def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = ApiError(str(error.detail), status=error.status_code, headers=error.headers)
    return answer(request, problem)


async def on_defect(request: Request, error: Exception) -> Response:
    """Responds to a defect of this package. Starlette logs the traceback; the client sees nothing
    of it.
    """
    return answer(request, ApiError("The server failed unexpectedly.", status=500))


def install_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(AssistantError, on_assistant_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_defect)
