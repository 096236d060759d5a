"""Requests that bring something are refused while the server is short of memory."""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.server.http.errors import ApiError
from assistant.server.http.handlers import respond_with_error
from assistant.server.http.paths import route_path


class LoadSheddingMiddleware:
    """ASGI middleware: calls `check` before a body is read or a WebSocket is accepted.

    `check` raises ApiError to refuse. GET, HEAD and DELETE always go on: they tell how the server
    is, or free memory; so do the `exempt` paths, which refuse in a form of their own.
    """

    def __init__(
        self, app: ASGIApp, check: Callable[[], None], exempt: Collection[str] = ()
    ) -> None:
        self._app = app
        self._check = check
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        brings = scope["type"] == "websocket" or scope.get("method") in ("POST", "PUT", "PATCH")
        if brings and route_path(scope) not in self._exempt:
            try:
                self._check()
            except ApiError as error:
                await respond_with_error(scope, receive, send, error)
                return
        await self._app(scope, receive, send)
