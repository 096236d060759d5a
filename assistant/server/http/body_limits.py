"""Limits of what a request's body may hold, checked before anything of it is parsed."""

from __future__ import annotations

import json
import re
from collections.abc import MutableMapping
from typing import Any

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.config import LimitSettings
from assistant.server.http.errors import ApiError, too_large
from assistant.server.http.handlers import respond_with_error

MAX_MARKS = 500_000
"""The number of brackets, quotes, commas and colons in a JSON body, which bounds its values."""

_NOT_MARKS = bytes(set(range(256)) - set(b'"[]{},:'))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class BodyLimitMiddleware:
    """ASGI middleware: how large a body may be, how long it may take, and how deep its JSON is."""

    def __init__(self, app: ASGIApp, limits: LimitSettings) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            limited = await self._limited(Headers(scope=scope), receive)
        except ApiError as error:
            await respond_with_error(scope, receive, send, error)
            return
        await self._app(scope, limited, send)

    async def _limited(self, headers: Headers, receive: Receive) -> Receive:
        declared = headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self._most:
            raise self._too_large()
        counted = _Counted(receive, self._limits)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
            return counted
        try:
            body = await counted.whole()
        except HTTPException as error:
            raise ApiError(str(error.detail), status=error.status_code) from error
        if body is None:  # the client disconnected: no response can be sent
            return _replay([{"type": "http.disconnect"}], receive)
        await self._check_json(body)
        return _replay([{"type": "http.request", "body": body, "more_body": False}], receive)

    @property
    def _most(self) -> int:
        return self._limits.max_body_bytes

    def _too_large(self) -> ApiError:
        return too_large(f"the body is larger than {self._most} bytes")

    async def _check_json(self, body: bytes) -> None:
        if len(body) > 2**18:
            await anyio.to_thread.run_sync(check_json, body, self._limits.max_json_depth)
        else:
            check_json(body, self._limits.max_json_depth)


def check_json(body: bytes, max_depth: int) -> None:
    """Checks that a body is safe to parse as JSON; not that it is valid JSON.

    Raises ApiError if it is nested too deep, has too many values, or text that no encoding can
    write (half of a surrogate pair). Works on the whole body at once, because it may be mostly
    audio in base64.
    """
    marks = body.replace(b"\\\\", b"x").replace(b'\\"', b"x").translate(None, _NOT_MARKS)
    if marks.count(b'"') > MAX_MARKS:
        raise _too_many_values()
    outside = b"".join(marks.split(b'"')[::2])  # between the strings
    if len(outside) > MAX_MARKS:
        raise _too_many_values()
    depth = 0
    for mark in outside.translate(None, b",:"):
        depth += 1 if mark in b"[{" else -1
        if depth > max_depth:
            raise ApiError(f"the JSON of the body is nested more than {max_depth} levels deep")
    if _SURROGATE.search(body):
        _check_surrogates(body)


def _too_many_values() -> ApiError:
    return too_large("the JSON of the body holds too many values")


def _check_surrogates(body: bytes) -> None:
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ApiError("the body holds half of a surrogate pair (\\ud800 to \\udfff)") from None
    except ValueError:
        return  # not JSON: the parser will say so


class _Counted:
    """A receive that stops at the limits. What it raises, FastAPI passes on."""

    def __init__(self, receive: Receive, limits: LimitSettings) -> None:
        self._receive = receive
        self._limits = limits
        self._left = limits.max_body_bytes
        self._deadline = anyio.current_time() + limits.body_timeout_s
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        with anyio.CancelScope(deadline=self._deadline) as scope:
            message = await self._receive()
        if scope.cancelled_caught:
            raise HTTPException(408, f"no body within {self._limits.body_timeout_s:g} seconds")
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        if self._left < 0:
            raise HTTPException(413, f"the body is larger than {self._limits.max_body_bytes} bytes")
        return message

    async def whole(self) -> bytes | None:
        """The body; None when the client went away before its end."""
        body = bytearray()
        while not self._complete:
            message = await self()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
        return bytes(body)


def _replay(messages: list[MutableMapping[str, Any]], receive: Receive) -> Receive:
    async def replayed() -> Message:
        return messages.pop(0) if messages else await receive()

    return replayed
