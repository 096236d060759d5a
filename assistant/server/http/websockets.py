"""The WebSockets of the server: their number, their send queues, and how each one ends.

A protocol (realtime, Twilio) uses one like this; an ApiError before the accept is an HTTP response:

    async with get_state(websocket).sockets.accept(websocket, owner) as socket:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)                          # calls socket.send, then socket.room
            while (text := await socket.receive()) is not None:
                socket.send(reply)                          # never waits, keeps the order
                await socket.room(ANSWERS)                  # waits while too many messages wait
            tasks.cancel_scope.cancel()

`receive` returns None at the end, which the client, `socket.close(code, reason)` from any task, the
limits of [server.sockets], or a client that reads nothing for `stall_s` may bring about. Leaving
the block sends what waits, unless the client is gone, and the close code. A server that is about to
stop sets `sockets.draining`: finish the response, then close with GOING_AWAY.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio
import anyio.lowlevel
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from assistant.config import SocketSettings
from assistant.server.http.errors import too_many, unavailable

logger = logging.getLogger(__name__)

NORMAL, GOING_AWAY, NOT_TEXT, LOST = 1000, 1001, 1003, 1006
REFUSED, TOO_LARGE, FAILED = 1008, 1009, 1011
"""Close codes of RFC 6455."""

WAITING = 32
"""Messages that may wait to be sent while more are generated: some seconds of audio."""
ANSWERS = 256
"""The same while more are asked for."""
MESSAGE_COST = 1_024
"""The bytes that a message counts besides its length, for the work that each one makes."""


class Sockets:
    """All of a server's. `stall_s`: of the limits; see Socket.

    An owner for whom places are reserved has those and no others, and nobody else gets them.
    """

    def __init__(self, settings: SocketSettings, stall_s: float) -> None:
        self.settings = settings
        self.draining = anyio.Event()
        self._stall_s = stall_s
        self._open: Counter[str] = Counter()
        self._sockets: dict[Socket, str] = {}  # of whom each one is
        self._pacers: dict[str, BytePacer] = {}
        self._reserved: dict[str, int] = {}

    @property
    def open(self) -> int:
        return self._open.total()

    def reserve(self, owner: str, places: int) -> None:
        """Gives an owner places apart from `max_open` and `max_per_key`."""
        self._reserved[owner] = places

    @asynccontextmanager
    async def accept(
        self, websocket: WebSocket, owner: str, *, subprotocol: str | None = None
    ) -> AsyncIterator[Socket]:
        """Raises ApiError: this key, or everybody, has as many as may be; the server stops."""
        with self._place(owner):
            await websocket.accept(subprotocol)
            socket = Socket(websocket, self.settings, self._stall_s, self._pacer(owner))
            self._sockets[socket] = owner
            failure: Exception | None = None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(socket.run)
                try:
                    yield socket
                except Exception as error:  # noqa: BLE001 - raised outside of the group, which would wrap it
                    failure = error
                    socket.close(FAILED, "the server failed unexpectedly")
                finally:
                    socket.close()  # if it is not closed yet
                    with anyio.move_on_after(self._stall_s, shield=True):
                        await socket.closed.wait()
                    tasks.cancel_scope.cancel()
                    del self._sockets[socket]
            if failure is not None:
                raise failure

    def close_revoked(self, owners: Collection[str]) -> None:
        """Closes the sockets of all but these owners and those with reserved places."""
        for socket, owner in list(self._sockets.items()):
            if owner not in owners and owner not in self._reserved:
                socket.close(REFUSED, "the API key is not valid any more")

    def _pacer(self, owner: str) -> BytePacer:
        """Returns what all connections of the owner are paced by, the next ones too."""
        if owner not in self._pacers:
            self._pacers[owner] = BytePacer(self.settings.max_bytes_per_s)
        return self._pacers[owner]

    @contextmanager
    def _place(self, owner: str) -> Iterator[None]:
        if self.draining.is_set():
            raise unavailable("the server is about to stop", retry_after_s=10)
        self._check_limits(owner)
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]

    def _check_limits(self, owner: str) -> None:
        full = unavailable("the server has no place for another connection", retry_after_s=10)
        if owner in self._reserved:
            if self._open[owner] >= self._reserved[owner]:
                raise full
            return
        if self._open[owner] >= self.settings.max_per_key:
            most = self.settings.max_per_key
            raise too_many(f"this key may have {most} connections at a time", retry_after_s=10)
        if self.open - sum(self._open[one] for one in self._reserved) >= self.settings.max_open:
            raise full


class Socket:
    """One that is accepted. One task receives; any may send. Text only, each way."""

    def __init__(
        self, websocket: WebSocket, settings: SocketSettings, stall_s: float, pacer: BytePacer
    ) -> None:
        self.code = 0
        """The close code, once the WebSocket is closed or about to be; 0 before."""
        self.closed = anyio.Event()
        self._websocket = websocket
        self._settings = settings
        self._stall_s = stall_s
        self._pacer = pacer
        self._ends_at = anyio.current_time() + settings.session_s
        self._waiting: deque[str] = deque()
        self._changed = anyio.Event()
        self._reason = ""
        self._receiving: anyio.CancelScope | None = None

    def send(self, text: str) -> None:
        """Queues a message; does nothing once the socket is closed. Callers await `room` often."""
        if not self.code:
            self._waiting.append(text)
            self._notify()

    async def room(self, limit: int = WAITING) -> None:
        """Waits while more than `limit` messages wait (back-pressure).

        A receiver uses a higher limit than a generator of audio, so that a client that reads slowly
        is still served.
        """
        while len(self._waiting) > limit and not self.closed.is_set():
            await self._changed.wait()

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Closes the socket after the queued messages. Only the first call counts."""
        if not self.code:
            self.code, self._reason = code, reason
            if self._receiving is not None:
                self._receiving.cancel()
            self._notify()

    async def receive(self) -> str | None:
        """Returns the next message; None once it is closed.

        Lets other tasks run before each message, and waits while the owner's connections have sent
        more than they may: one client can't take the event loop for itself.
        """
        message = await self._next()
        text = None if message is None else self._text_of(message)
        if text is not None:
            wait_s = self._pacer.take(len(text) + MESSAGE_COST)
            with anyio.move_on_after(wait_s):
                await self.closed.wait()
            await anyio.lowlevel.checkpoint()
        return text

    async def _next(self) -> Message | None:
        """Returns the next ASGI message; None if the socket is closed, idle or expired."""
        now = anyio.current_time()
        idle_at = now + self._settings.idle_s
        message = None
        with anyio.CancelScope(deadline=min(idle_at, self._ends_at)) as self._receiving:
            if self.code:
                return None
            message = await self._websocket.receive()
        self._receiving = None
        if message is None:
            expired = anyio.current_time() >= self._ends_at
            self.close(GOING_AWAY, "the session has reached its limit" if expired else "idle")
            return None
        return message

    def _text_of(self, message: Message) -> str | None:
        if message["type"] == "websocket.disconnect":
            self._lose(message.get("code") or LOST)
            return None
        text = message.get("text")
        if not isinstance(text, str):
            self.close(NOT_TEXT, "messages are text")
            return None
        if len(text) > self._settings.max_message_bytes:
            self.close(TOO_LARGE, f"a message has at most {self._settings.max_message_bytes} bytes")
            return None
        return text

    def _lose(self, code: int) -> None:
        """Nobody is there any more to send to."""
        self.close(code)
        self.code = code
        self._waiting.clear()
        self.closed.set()
        self._notify()

    async def run(self) -> None:
        """Sends what waits, until it is closed."""
        try:
            while not self.closed.is_set():
                if self._waiting:
                    await self._deliver(self._waiting.popleft())
                    self._notify()
                elif self.code:
                    await self._say_goodbye()
                    return
                else:
                    await self._changed.wait()
        except TimeoutError:
            logger.warning("Given up: the client took nothing for %g s", self._stall_s)
            self._lose(LOST)
        except (WebSocketDisconnect, RuntimeError, OSError):
            self._lose(LOST)  # the client disconnected while a message was sent
        finally:
            self.closed.set()
            self._notify()

    async def _deliver(self, text: str) -> None:
        with anyio.fail_after(self._stall_s):
            await self._websocket.send_text(text)

    async def _say_goodbye(self) -> None:
        with suppress(TimeoutError), anyio.fail_after(self._stall_s):
            await self._websocket.close(self.code, self._reason[:120])

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class BytePacer:
    """A token bucket of bytes that may go into debt, for all connections of one owner together.

    A message is taken as it comes; the next one waits until the bucket holds no debt. `now` is the
    clock of the event loop, in seconds.
    """

    def __init__(
        self,
        bytes_per_s: float,
        *,
        now: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._rate = bytes_per_s
        self._now = now
        self._tokens = bytes_per_s
        self._filled = now()

    def take(self, size: int) -> float:
        """Counts a message of `size` bytes; returns how long its reader has to wait, in seconds."""
        now = self._now()
        self._tokens = min(self._rate, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        self._tokens -= size
        return max(-self._tokens / self._rate, 0.0)
