"""Requests that bring something are refused while the server is short of memory."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.server.http.errors import ApiError
from assistant.server.http.handlers import respond_with_error


class LoadSheddingMiddleware:
    """ASGI middleware: calls `check` before a body is read or a WebSocket is accepted.

    `check` raises ApiError to refuse. GET, HEAD and DELETE always go on: they tell how the server
    is, or free memory.
    """

    def __init__(self, app: ASGIApp, check: Callable[[], None]) -> None:
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" or scope.get("method") in ("POST", "PUT", "PATCH"):
            try:
                self._check()
            except ApiError as error:
                await respond_with_error(scope, receive, send, error)
                return
        await self._app(scope, receive, send)
