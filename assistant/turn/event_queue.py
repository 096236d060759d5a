"""A queue of events from many writers to one reader, bounded except for what must not be lost."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from assistant.concurrency import Signal

T = TypeVar("T")


class EventQueue(Generic[T]):
    """A queue with many writers and one reader.

    `put` waits while `limit` events wait to be read, so that a slow reader slows the engine down
    (back-pressure). `put_nowait` never waits: it is for events that are reported during a
    cancellation, or that come from outside at their own pace.
    """

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._events: deque[T] = deque()
        self._closed = False
        self._changed = Signal()

    def put_nowait(self, event: T) -> None:
        """Adds an event, whatever the limit."""
        self._events.append(event)
        self._changed.notify()

    async def put(self, event: T) -> None:
        """Adds an event as soon as fewer than `limit` events wait, or the queue is closed."""
        while len(self._events) >= self._limit and not self._closed:
            await self._changed.wait()
        self.put_nowait(event)

    def close(self) -> None:
        """Ends the queue; the reader still gets the events that wait."""
        self._closed = True
        self._changed.notify()

    async def get(self) -> T | None:
        """Returns the next event, or None once the queue is closed and empty."""
        while not self._events:
            if self._closed:
                return None
            await self._changed.wait()
        event = self._events.popleft()
        self._changed.notify()
        return event
