"""One stored conversation in memory: its turns, one at a time, each stored when it ends.

A turn runs in a task of the server, not of the request: the request reads its events from a queue.
So the turn can be stopped and stored whatever the reader does.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import anyio

from assistant.events import Event, Failed, TurnEnded
from assistant.messages import AssistantMessage, Message, UserMessage
from assistant.server.http.errors import conflict
from assistant.server.sessions.serialize import Keep, encode
from assistant.server.sessions.store import SessionRecord, StoredMessage, StoreError
from assistant.session import Session
from assistant.turn.event_queue import EventQueue

logger = logging.getLogger(__name__)

Events = AsyncGenerator[Event, None]
Append = Callable[[SessionRecord, int, list[StoredMessage]], Awaitable[None]]
"""Stores messages from a number on. Raises StoreError."""


class DetachedTurn:
    """A turn that runs apart from its request; `read` yields its events, once."""

    def __init__(self, session: Session) -> None:
        self.over = anyio.Event()
        self._session = session
        self._queue = EventQueue[Event]()
        self._stopped = False
        self._waiting = anyio.CancelScope()
        self._scope = anyio.CancelScope()
        self._failure: Exception | None = None

    async def run(self, events: Events, save: Callable[[], Awaitable[str]]) -> None:
        """Never raises: what went wrong is for the reader."""
        ended: TurnEnded | None = None
        try:
            with self._scope:
                ended = await self._pass_on(events)
            if self._scope.cancelled_caught:
                self._failure = conflict("the turn was stopped before it began")
        except Exception as error:  # noqa: BLE001 - raised again where it is read
            self._failure = error
        finally:
            with anyio.CancelScope(shield=True):
                problem = await save()
            if ended is not None:
                self._end(ended, problem)
            self._queue.close()
            self.over.set()

    async def _pass_on(self, events: Events) -> TurnEnded | None:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TurnEnded):
                    return event
                await self._give(event)
        return None

    async def _give(self, event: Event) -> None:
        """Waits for a reader that is behind, but not once the turn is to stop."""
        if not self._stopped:
            with anyio.CancelScope() as self._waiting:
                await self._queue.put(event)
                return
        self._queue.put_nowait(event)

    def _end(self, ended: TurnEnded, problem: str) -> None:
        if problem:
            self._queue.put_nowait(Failed(problem))
            ended = replace(ended, reason="failed")
        self._queue.put_nowait(ended)

    async def stop(self) -> None:
        """Cancels the turn; returns once it is stored, and its reader gets the rest."""
        self._stopped = True
        self._waiting.cancel()
        if not await self._session.cancel():  # the turn has not begun, or is over
            self._scope.cancel()
        await self.over.wait()

    async def read(self) -> Events:
        """Yields the events. Raises what kept the turn from running; closing it stops the turn."""
        try:
            while (event := await self._queue.get()) is not None:
                yield event
            if self._failure is not None:
                raise self._failure
        finally:
            with anyio.CancelScope(shield=True):
                await self.stop()


class LiveSession:
    """A session in memory. `record` is as it was stored last, `saved` how many messages are."""

    def __init__(
        self, session: Session, record: SessionRecord, saved: int, keep: Keep, append: Append
    ) -> None:
        self.session = session
        self.record = record
        self.turn: DetachedTurn | None = None
        self._saved = saved
        self._keep = keep
        self._append = append
        self._measured = (-1, 0)  # how many messages, and their bytes
        self.used_at = anyio.current_time()

    @property
    def memory_bytes(self) -> int:
        """The approximate number of bytes that its messages take in memory."""
        if self._measured[0] != len(self.session.history):
            self._measured = len(self.session.history), sum(map(_size_of, self.session.history))
        return self._measured[1]

    @property
    def evictable(self) -> bool:
        return self.turn is None and self._saved == len(self.session.history)

    def begin(self) -> DetachedTurn:
        """The place of the one turn at a time; taken until `end`."""
        assert self.turn is None, "a turn is running already"
        self.turn = DetachedTurn(self.session)
        return self.turn

    async def run(self, turn: DetachedTurn, events: Events, expires_at: float) -> None:
        try:
            await turn.run(events, lambda: self._save(expires_at))
        finally:
            self.turn = None

    async def _save(self, expires_at: float) -> str:
        """Stores what is not stored yet; what is wrong, in one line, or nothing.

        What could not be stored now is tried again after the next turn.
        """
        session, first = self.session, self._saved
        new = session.history[first:]
        if not new:
            return ""
        record = replace(
            self.record,
            voice=session.voice.id,
            turns=session.turns,
            expires_at=expires_at,
        )
        try:
            encoded = await anyio.to_thread.run_sync(self._encoded, new)
            await self._append(record, first, encoded)
        except StoreError as error:
            logger.error("A turn of the session %s is not stored: %s", session.id, error)
            return f"The answer is complete, but it is not stored: {error}."
        self.record, self._saved = record, first + len(new)
        return ""

    def _encoded(self, messages: Sequence[Message]) -> list[StoredMessage]:
        return [StoredMessage(*encode(message, self._keep)) for message in messages]


def _size_of(message: Message) -> int:
    size = 256 + len(message.text)
    if isinstance(message, UserMessage):
        size += sum(one.samples.nbytes for one in message.audio)
    if isinstance(message, AssistantMessage):
        size += 8 * len(message.tokens) + sum(len(call.arguments) for call in message.calls)
    return size
