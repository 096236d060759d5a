"""Idempotency keys: a request that is sent again with the same key gets the recorded response.

A client that sends `Idempotency-Key` with a POST may send the request again after a failure without
a tool running twice (draft-ietf-httpapi-idempotency-key-header). A response is recorded if it is
final: not if the request was refused before it ran (409, 429, 503), nor after a failure in which no
tool with an effect had begun. A tool with an effect marks the request by `mark_effect`; its
response then also says `x-should-retry: false`, which OpenAI's clients obey.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.server.fair_store import FairStore
from assistant.server.http.errors import ApiError, conflict
from assistant.server.http.handlers import respond_with_error

MAX_KEY_CHARS = 255
MAX_RECORDED = 2**23
"""The largest response that is recorded, in bytes; a larger one is not answered again."""
MAX_ITEMS, MAX_BYTES, TTL_S = 4_096, 2**26, 3_600.0
NOT_FINAL = (409, 429, 503)


def mark_effect(connection: HTTPConnection) -> None:
    """Notes that a tool with an effect has begun for this request."""
    connection.scope.setdefault("state", {})["effect"] = True


def has_effect(scope: Scope) -> bool:
    """Returns whether a tool with an effect has begun for this request."""
    return bool(scope.get("state", {}).get("effect"))


@dataclass
class _Recorded:
    """The response to one key. `running` until it is complete; `lost` if it was not read to its
    end, or was too large.
    """

    fingerprint: bytes
    running: bool = True
    lost: bool = False
    start: Message | None = None
    pieces: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        return 1_024 + sum(map(len, self.pieces))


class IdempotencyMiddleware:
    """ASGI middleware behind the auth middleware: keys belong to the owner of the API key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._records: FairStore[_Recorded] = FairStore(
            max_items=MAX_ITEMS, max_bytes=MAX_BYTES, ttl_s=TTL_S
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key_of(scope)
        if not key:
            await self._app(scope, receive, _without_retry(scope, send))
            return
        owner = scope["state"]["access"].owner
        try:
            if len(key) > MAX_KEY_CHARS:
                raise ApiError(f"Idempotency-Key: more than {MAX_KEY_CHARS} characters")
            body = await Request(scope, receive).body()
            record = self._begin(owner, key, _fingerprint(scope, body))
        except ApiError as error:
            await respond_with_error(scope, receive, send, error)
            return
        if record.start is not None and not record.running:
            await _replay(record, send)
            return
        await self._run(scope, _again(body, receive), send, owner, key, record)

    def _begin(self, owner: str, key: str, fingerprint: bytes) -> _Recorded:
        """Returns the record of a key, a new one if there is none.

        Raises ApiError if its request still runs, was another one, or has no response any more.
        """
        record = self._records.get(owner, key)
        if record is None:
            record = _Recorded(fingerprint)
            self._records.add(owner, key, record, record.size)
            return record
        if record.fingerprint != fingerprint:
            raise ApiError("Idempotency-Key: it belongs to another request", status=422)
        if record.running:
            raise conflict("the request with this Idempotency-Key still runs")
        if record.lost:
            text = "the request with this Idempotency-Key has run, and its response is not known"
            raise ApiError(text, status=409, headers={"x-should-retry": "false"})
        return record

    async def _run(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        owner: str,
        key: str,
        record: _Recorded,
    ) -> None:
        complete = False

        async def recording(message: Message) -> None:
            nonlocal complete
            if message["type"] == "http.response.start":
                record.start = message
            elif not record.lost:
                record.pieces.append(message.get("body", b""))
                record.lost = record.size > MAX_RECORDED
            complete = complete or _is_last(message)
            await send(message)

        try:
            await self._app(scope, receive, _without_retry(scope, recording))
        finally:
            self._end(scope, owner, key, record, complete=complete)

    def _end(
        self, scope: Scope, owner: str, key: str, record: _Recorded, *, complete: bool
    ) -> None:
        """Keeps the record of a final response, and drops that of one that may be tried again."""
        status = record.start["status"] if record.start else 500
        effect = has_effect(scope)
        record.running = False
        if not effect and (not complete or status >= 500 or status in NOT_FINAL):
            self._records.pop(owner, key)
            return
        if not complete or record.lost:
            record.lost, record.start, record.pieces = True, None, []
        self._records.add(owner, key, record, record.size)


def _key_of(scope: Scope) -> str:
    if scope["type"] != "http" or scope["method"] != "POST":
        return ""
    return Headers(scope=scope).get("idempotency-key", "").strip()


def _fingerprint(scope: Scope, body: bytes) -> bytes:
    """Returns a digest of path and body; a form's body has another boundary at every attempt."""
    digest = hashlib.sha256(scope["path"].encode() + b"?" + scope["query_string"] + b"\0")
    if not Headers(scope=scope).get("content-type", "").startswith("multipart/"):
        digest.update(body)
    return digest.digest()


def _is_last(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)


def _without_retry(scope: Scope, send: Send) -> Send:
    """Adds `x-should-retry: false` to an error after which a repetition would have an effect."""

    async def sending(message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if starts and message["status"] >= 400 and has_effect(scope):
            headers = [*message.get("headers", []), (b"x-should-retry", b"false")]
            message = {**message, "headers": headers}
        await send(message)

    return sending


async def _replay(record: _Recorded, send: Send) -> None:
    assert record.start is not None
    headers = [*record.start.get("headers", []), (b"idempotent-replayed", b"true")]
    await send({**record.start, "headers": headers})
    await send({"type": "http.response.body", "body": b"".join(record.pieces)})


def _again(body: bytes, receive: Receive) -> Receive:
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": False}
    ]

    async def replayed() -> Message:
        return messages.pop(0) if messages else await receive()

    return replayed
