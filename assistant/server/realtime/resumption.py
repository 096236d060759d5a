"""Resumption: conversations whose connection was lost, in memory until their clients come back."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import anyio
from typing_extensions import Self

from assistant.concurrency import Signal, open_tasks
from assistant.config import SocketSettings
from assistant.server.realtime.session import RealtimeSession

TAKE_OVER_S = 10.0


@dataclass(eq=False)
class _InUse:
    """A conversation that a connection uses. `let_go` ends that connection."""

    session: RealtimeSession
    let_go: Callable[[], None]
    over: anyio.Event = field(default_factory=anyio.Event)


class ResumableSessions:
    """Used as `async with`; forgets what is too old while it is open."""

    def __init__(self, settings: SocketSettings) -> None:
        self._settings = settings
        self._sessions: OrderedDict[str, tuple[RealtimeSession, float]] = (
            OrderedDict()
        )  # until when; oldest first
        self._in_use: dict[str, _InUse] = {}
        self._changed = Signal()
        self._stack = AsyncExitStack()

    def __len__(self) -> int:
        return len(self._sessions)

    @contextmanager
    def in_use(self, conversation: RealtimeSession, let_go: Callable[[], None]) -> Iterator[None]:
        """Surrounds a connection. `let_go` is called if its client comes back over another one."""
        mine = self._in_use[conversation.id] = _InUse(conversation, let_go)
        try:
            yield
        finally:
            if self._in_use.get(conversation.id) is mine:
                del self._in_use[conversation.id]
            mine.over.set()

    def has_room(self, owner: str) -> bool:
        """Returns whether the owner's live conversations hold less than they may together."""
        in_use = [use.session for use in self._in_use.values()]
        sessions = [*in_use, *(session for session, _ in self._sessions.values())]
        held = sum(session.items.bytes for session in sessions if session.owner == owner)
        return held <= self._settings.max_conversation_bytes_per_key

    def keep(self, conversation: RealtimeSession) -> None:
        if not self._settings.max_resumable or not self._settings.resume_s:
            return
        if len(self._sessions) >= self._settings.max_resumable:
            self._forget_one()
        until = anyio.current_time() + self._settings.resume_s
        self._sessions[conversation.id] = conversation, until
        self._changed.notify()

    def _forget_one(self) -> None:
        """Drops the oldest conversation of the key with the most: no key can push out the
        others'.
        """
        most, _ = Counter(session.owner for session, _ in self._sessions.values()).most_common(1)[0]
        oldest = next(key for key, (session, _) in self._sessions.items() if session.owner == most)
        del self._sessions[oldest]

    async def take(self, session_id: str, owner: str) -> RealtimeSession | None:
        """Takes a conversation out, for its owner; None if this owner has none with that id.

        One that a connection still uses, perhaps a dead one, is taken from it.
        """
        in_use = self._in_use.get(session_id)
        if in_use is not None and in_use.session.owner == owner:
            in_use.let_go()
            with anyio.move_on_after(TAKE_OVER_S):
                await in_use.over.wait()
        session, _ = self._sessions.get(session_id, (None, 0.0))
        if session is None or session.owner != owner:
            return None
        del self._sessions[session_id]
        return session

    async def __aenter__(self) -> Self:
        tasks = await self._stack.enter_async_context(open_tasks())
        tasks.start_soon(self._forget_old)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        self._sessions.clear()

    async def _forget_old(self) -> None:
        while True:
            if not self._sessions:
                await self._changed.wait()
            _, until = next(iter(self._sessions.values()))
            await anyio.sleep_until(until)
            now = anyio.current_time()
            for key in [key for key, (_, until) in self._sessions.items() if until <= now]:
                del self._sessions[key]
