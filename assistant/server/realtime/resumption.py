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
class _Held:
    """A conversation that a connection uses. `let_go` ends that connection."""

    owner: str
    let_go: Callable[[], None]
    over: anyio.Event = field(default_factory=anyio.Event)


class ResumableSessions:
    """Used as `async with`; forgets what is too old while it is open."""

    def __init__(self, settings: SocketSettings) -> None:
        self._settings = settings
        self._kept: OrderedDict[str, tuple[RealtimeSession, float]] = (
            OrderedDict()
        )  # until when; oldest first
        self._held: dict[str, _Held] = {}
        self._changed = Signal()
        self._stack = AsyncExitStack()

    def __len__(self) -> int:
        return len(self._kept)

    @contextmanager
    def held(self, conversation: RealtimeSession, let_go: Callable[[], None]) -> Iterator[None]:
        """Surrounds a connection. `let_go` is called if its client comes back over another one."""
        mine = self._held[conversation.id] = _Held(conversation.owner, let_go)
        try:
            yield
        finally:
            if self._held.get(conversation.id) is mine:
                del self._held[conversation.id]
            mine.over.set()

    def keep(self, conversation: RealtimeSession) -> None:
        if not self._settings.max_resumable or not self._settings.resume_s:
            return
        if len(self._kept) >= self._settings.max_resumable:
            self._forget_one()
        until = anyio.current_time() + self._settings.resume_s
        self._kept[conversation.id] = conversation, until
        self._changed.notify()

    def _forget_one(self) -> None:
        """Drops the oldest conversation of the key with the most: no key can push out the
        others'.
        """
        most, _ = Counter(kept.owner for kept, _ in self._kept.values()).most_common(1)[0]
        oldest = next(key for key, (kept, _) in self._kept.items() if kept.owner == most)
        del self._kept[oldest]

    async def take(self, session_id: str, owner: str) -> RealtimeSession | None:
        """Takes a conversation out, for its owner; None if this owner has none with that id.

        One that a connection still uses, perhaps a dead one, is taken from it.
        """
        held = self._held.get(session_id)
        if held is not None and held.owner == owner:
            held.let_go()
            with anyio.move_on_after(TAKE_OVER_S):
                await held.over.wait()
        kept, _ = self._kept.get(session_id, (None, 0.0))
        if kept is None or kept.owner != owner:
            return None
        del self._kept[session_id]
        return kept

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
        self._kept.clear()

    async def _forget_old(self) -> None:
        while True:
            if not self._kept:
                await self._changed.wait()
            _, until = next(iter(self._kept.values()))
            await anyio.sleep_until(until)
            now = anyio.current_time()
            for key in [key for key, (_, until) in self._kept.items() if until <= now]:
                del self._kept[key]
