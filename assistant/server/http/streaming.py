"""Streaming responses, which are generated while they are sent.

A client that disconnects, or reads nothing for too long, ends the work for it; one that reads
slowly slows it down (back-pressure). In any case the source is closed before the response is over.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import TypeVar

import anyio
import anyio.lowlevel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assistant.errors import RefusedError
from assistant.events import Event, to_json

T = TypeVar("T")


class Stream(Response):
    """Sends the pieces of `source` as they come.

    Starlette's StreamingResponse leaves a generator suspended when the client goes away while a
    piece is being sent; this one closes it, within the request.
    """

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        stall_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.body = b""
        self._source = source
        self._stall_s = stall_s
        self.init_headers(headers)
        if "content-length" in self.headers:
            del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._source) as source:

            async def work() -> None:
                # Started before anything else can happen: a generator that has not started has
                # nothing that could be closed, and would leave its sources open.
                piece = await anext(source, None)
                head = {"status": self.status_code, "headers": self.raw_headers}
                await send({"type": "http.response.start", **head})
                while piece is not None:
                    # Explicitly: a source that is always ready would never let a cancellation in.
                    await anyio.lowlevel.checkpoint_if_cancelled()
                    await self._send(send, piece, more=True)
                    piece = await anext(source, None)
                await self._send(send, b"", more=False)

            with suppress(ClientDisconnect):  # there is no client left
                await while_connected(receive, work)

    async def _send(self, send: Send, piece: bytes, *, more: bool) -> None:
        try:
            with anyio.fail_after(self._stall_s):
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        except TimeoutError:
            # Raised, so that the server closes the connection: the response must not look complete.
            raise StalledClientError(f"the client took nothing for {self._stall_s:g} s") from None


class StalledClientError(RefusedError):
    """A client does not read the response that it asked for."""


async def while_connected(receive: Receive, work: Callable[[], Awaitable[T]]) -> T:
    """Returns the result of `work`, which is cancelled if the client disconnects.

    Raises ClientDisconnect then. The body of the request must have been read.
    """
    results: list[T] = []
    failures: list[Exception] = []
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised outside of the group, which would wrap it
            failures.append(error)
        tasks.cancel_scope.cancel()
    if failures:
        raise failures[0]
    if not results:
        raise ClientDisconnect
    return results[0]


async def unless_disconnected(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """`while_connected` for a request."""
    return await while_connected(request.receive, work)


async def as_sse(
    events: AsyncGenerator[Event, None], *, with_samples: bool
) -> AsyncGenerator[bytes, None]:
    """Server-sent events, named by their type, with the JSON of `assistant.events.to_json`."""
    async with aclosing(events):
        async for event in events:
            value = to_json(event, with_samples=with_samples)
            data = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
            yield f"event: {event.type}\ndata: {data}\n\n".encode("utf-8", "replace")
