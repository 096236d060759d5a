"""The way of events from a turn to its reader: bounded, except for what must not be lost."""

from __future__ import annotations

from collections import deque

import anyio

from assistant.events import Event


class EventQueue:
    """Many writers, one reader. `put` waits while the reader is behind, so that a slow reader slows
    the engine down; `put_nowait` never waits, for outcomes that are reported during cancellation.
    """

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()
        self._closed = False
        self._changed = anyio.Event()

    def put_nowait(self, event: Event) -> None:
        self._events.append(event)
        self._notify()

    async def put(self, event: Event) -> None:
        while len(self._events) >= self._limit:
            await self._changed.wait()
        self.put_nowait(event)

    def close(self) -> None:
        """No more events; the reader still gets those that wait."""
        self._closed = True
        self._notify()

    async def get(self) -> Event | None:
        """The next event; None once the queue is closed and empty."""
        while not self._events:
            if self._closed:
                return None
            await self._changed.wait()
        event = self._events.popleft()
        self._notify()
        return event

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
