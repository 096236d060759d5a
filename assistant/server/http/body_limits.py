"""Limits of what a request's body may hold, checked before anything of it is parsed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.config import LimitSettings
from assistant.server.http.errors import ApiError, too_large
from assistant.server.http.handlers import respond_with_error
from assistant.server.http.paths import is_open

MAX_OPEN_BYTES = 2**16
"""The largest body of a request that needs no key, or whose method needs no body."""
MAX_MARKS = 500_000
"""The number of brackets, quotes, commas and colons in a JSON body, which bounds its values."""

_NOT_MARKS = bytes(set(range(256)) - set(b'"[]{},:'))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class BodyLimitMiddleware:
    """ASGI middleware: how large a body may be, how long it may take, and how deep its JSON is.

    Paths that need no key, and methods that need no body, take MAX_OPEN_BYTES. All bodies in memory
    have a limit together, and those of one key half of it.
    """

    def __init__(self, app: ASGIApp, limits: LimitSettings) -> None:
        self._app = app
        self._limits = limits
        self._held: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        access = scope.get("state", {}).get("access")
        body = HeldBody(self._held, access.owner if access else "", self._limits.max_bodies_bytes)
        try:
            limited = await self._limited(scope, receive, body)
        except ApiError as error:
            body.release()
            await respond_with_error(scope, receive, send, error)
            return
        try:
            await self._app(scope, limited, send)
        finally:
            body.release()

    async def _limited(self, scope: Scope, receive: Receive, held: HeldBody) -> Receive:
        headers, most = Headers(scope=scope), self._most(scope)
        declared = headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > most:
            raise too_large(f"the body is larger than {most} bytes")
        counted = _Counted(receive, most, self._limits.body_timeout_s, held)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
            return counted
        try:
            body = await counted.whole()
        except HTTPException as error:
            text, status = str(error.detail), error.status_code
            raise ApiError(text, status=status, headers=error.headers) from error
        if body is None:  # the client disconnected: no response can be sent
            return _replay([{"type": "http.disconnect"}], receive)
        await self._check_json(body)
        return _replay([{"type": "http.request", "body": body, "more_body": False}], receive)

    def _most(self, scope: Scope) -> int:
        small = is_open(scope) or scope["method"] not in ("POST", "PUT", "PATCH")
        return min(MAX_OPEN_BYTES if small else 2**62, self._limits.max_body_bytes)

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
    if b"\0" in body[:4] or body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ApiError("the JSON of the body must be UTF-8")  # the marks are counted as bytes
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


class HeldBody:
    """The bytes of one body that are in memory. `held`: those of all bodies, by their owner."""

    def __init__(self, held: Counter[str], owner: str, most: int) -> None:
        self._held = held
        self._owner = owner
        self._most = most
        self._size = 0

    def take(self, size: int) -> None:
        """Counts bytes that came. Raises HTTPException 503 if memory holds too many."""
        self._size += size
        self._held[self._owner] += size
        share = self._most // 2 if self._owner else self._most
        if self._held[self._owner] > share or self._held.total() > self._most:
            raise HTTPException(
                503, "too many request bodies are in memory", headers={"Retry-After": "5"}
            )

    def release(self) -> None:
        """Counts the bytes as freed."""
        self._held[self._owner] -= self._size
        self._size = 0
        if not self._held[self._owner]:
            del self._held[self._owner]


class _Counted:
    """A receive that stops at the limits. What it raises, FastAPI passes on."""

    def __init__(self, receive: Receive, most: int, timeout_s: float, held: HeldBody) -> None:
        self._receive = receive
        self._most = self._left = most
        self._timeout_s = timeout_s
        self._held = held
        self._deadline = anyio.current_time() + timeout_s
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        with anyio.CancelScope(deadline=self._deadline) as scope:
            message = await self._receive()
        if scope.cancelled_caught:
            raise HTTPException(408, f"no body within {self._timeout_s:g} seconds")
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self._left -= size
            self._held.take(size)
            self._complete = not message.get("more_body", False)
        if self._left < 0:
            raise HTTPException(413, f"the body is larger than {self._most} bytes")
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
