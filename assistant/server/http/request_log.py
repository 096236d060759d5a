"""Request ids and the request log: each request has an id, which is in its response and its log
lines.

Responses are private: none is stored by a cache or read as another type, unless it says so itself.

The log holds key, route, status and time. It never holds what was spoken or passed to tools, nor
query strings, which may hold the same.
"""

from __future__ import annotations

import contextvars
import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.server.http.errors import ApiError
from assistant.server.http.handlers import respond_with_error
from assistant.server.http.streaming import StalledClientError

logger = logging.getLogger(__name__)
access_log = logging.getLogger("assistant.server.access")

REQUEST_ID = "X-Request-Id"
_BEGINNINGS = ("http.response.start", "websocket.http.response.start", "websocket.accept")
_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,64}")

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")


class RequestIdMiddleware:
    """ASGI middleware, the outermost one; a defect that reaches it is logged with its traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        made = given if _WELL_FORMED.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = made
        token = request_id.set(made)
        try:
            await _Answer(self._app, scope, receive, send, made).run()
        finally:
            request_id.reset(token)


class _Answer:
    """One request on its way through the app."""

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, made: str) -> None:
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send_on = send
        self._request_id = made
        self._status = 0
        self._started = time.perf_counter()

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except ClientDisconnect:
            pass  # no client is left to read a response
        except StalledClientError as stalled:
            logger.warning("Given up: %s", stalled)
            raise  # the server closes the connection then
        except Exception:  # a defect: logged once, and no detail reaches the client
            logger.exception("The request failed unexpectedly")
            if self._status:
                raise
            error = ApiError("The server failed unexpectedly.", status=500)
            await respond_with_error(self._scope, self._receive, self._send, error)
        finally:
            self._log()

    async def _send(self, message: Message) -> None:
        if message["type"] in _BEGINNINGS:
            self._status = message.get("status", 101)
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID] = self._request_id
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("X-Content-Type-Options", "nosniff")
        await self._send_on(message)

    def _log(self) -> None:
        access = self._scope["state"].get("access")
        route = self._scope.get("route")
        access_log.info(
            "%s %s %s key=%s %.3fs",
            self._scope.get("method", "WS"),
            getattr(route, "path", "(no route)"),
            self._status or "gone",
            (access.owner if access else "") or "-",
            time.perf_counter() - self._started,
        )


class RequestIdFilter(logging.Filter):
    """Adds to each log record the `request_id` of the request that it belongs to."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True
