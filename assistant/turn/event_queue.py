"""The way of events to their one reader: bounded, except for what must not be lost."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from assistant.concurrency import Signal

T = TypeVar("T")


class EventQueue(Generic[T]):
    """Many writers, one reader. `put` waits while the reader is behind, so that a slow reader slows
    the engine down; `put_nowait` never waits, for what is reported during cancellation, or comes
    from outside at its own pace.
    """

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._events: deque[T] = deque()
        self._closed = False
        self._changed = Signal()

    def put_nowait(self, event: T) -> None:
        self._events.append(event)
        self._changed.notify()

    async def put(self, event: T) -> None:
        while len(self._events) >= self._limit and not self._closed:
            await self._changed.wait()
        self.put_nowait(event)

    def close(self) -> None:
        """No more events; the reader still gets those that wait."""
        self._closed = True
        self._changed.notify()

    async def get(self) -> T | None:
        """The next event; None once the queue is closed and empty."""
        while not self._events:
            if self._closed:
                return None
            await self._changed.wait()
        event = self._events.popleft()
        self._changed.notify()
        return event
