"""The sessions of a server: those in memory, and the store behind them."""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup
from typing_extensions import Self

from assistant.assistant import Assistant
from assistant.concurrency import open_tasks
from assistant.config import SessionSettings
from assistant.errors import LibraryError
from assistant.messages import Message
from assistant.server.auth.access import Access
from assistant.server.http.errors import ApiError, conflict, not_found, too_many, unavailable
from assistant.server.sessions.live_session import DetachedTurn, Events, LiveSession
from assistant.server.sessions.serialize import decode
from assistant.server.sessions.store import (
    SessionRecord,
    SessionStore,
    StoredMessage,
    StoreError,
)
from assistant.session import Session

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_LIVE = 1_000
SWEEP_S = 60.0
SIZE_S = 10.0
"""Seconds for which the size of a key's sessions counts before it is measured again."""
CLOCK_STEP_S = 60.0
"""Seconds by which the two clocks must differ between two sweeps for a clock that was set."""


class SessionManager:
    """Used as `async with`; closes the store at its end, once the running turns are stored.

    `now`: the time in seconds since the epoch.
    """

    def __init__(
        self,
        assistant: Assistant,
        store: SessionStore,
        settings: SessionSettings,
        *,
        max_live: int = MAX_LIVE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._assistant = assistant
        self._store = store
        self._settings = settings
        self._max_live = max_live
        self._now = now
        self._clocks = now(), time.monotonic()
        self._sizes: dict[str, tuple[int, float]] = {}  # bytes by owner, and until when they count
        self._live: OrderedDict[str, LiveSession] = OrderedDict()
        self._locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()
        self._threads = anyio.CapacityLimiter(4)
        self._stack = AsyncExitStack()
        self._tasks: TaskGroup

    @property
    def live(self) -> int:
        return len(self._live)

    async def __aenter__(self) -> Self:
        await self._in_thread(self._store.open)
        self._stack.push_async_callback(self._close_store)
        self._tasks = await self._stack.enter_async_context(open_tasks())
        self._tasks.start_soon(self._sweep_for_ever)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            for live in list(self._live.values()):
                if live.turn is not None:
                    await live.turn.stop()
        await self._stack.aclose()

    async def _close_store(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._in_thread(self._store.close)

    async def create(self, access: Access, **values: Any) -> LiveSession:
        """A new session of this caller; `values` are fields of SessionRecord.

        Raises ApiError: 429 when it has too many, 507 when the store is full. LibraryError: an
        unknown voice.
        """
        limit = self._settings.max_per_key
        if await self._stored(self._store.count, access.owner) >= limit:
            raise too_many(f"there are {limit} sessions of this key already", retry_after_s=60)
        await self._check_size(access.owner)
        now = self._now()
        record = SessionRecord(
            id=f"session_{secrets.token_hex(16)}",
            owner=access.owner,
            created_at=now,
            expires_at=now + self._settings.ttl_s,
            **values,
        )
        session = self._session(record, access, [])
        await self._stored(self._store.create, record)
        return self._add(record, session, 0)

    async def _check_size(self, owner: str) -> None:
        """Raises ApiError 507 if the sessions of the owner take too many bytes."""
        most, now = self._settings.max_bytes_per_key, time.monotonic()
        size, until = self._sizes.get(owner, (0, 0.0))
        if now >= until:
            size = await self._stored(self._store.size, owner)
            self._sizes[owner] = size, now + SIZE_S
        if size > most:
            text = f"the sessions of this key take more than {most} bytes: delete some"
            raise ApiError(text, status=507, code="storage_full")

    async def find(self, access: Access, session_id: str) -> LiveSession:
        """Raises ApiError 404: unknown, expired, or of another key."""
        live = self._live.get(session_id)
        if live is None:
            async with self._lock_of(session_id):
                live = self._live.get(session_id) or await self._load(access, session_id)
        if live is None or live.record.owner != access.owner or self._expired(live):
            raise not_found(f"there is no session {session_id!r}")
        self._live.move_to_end(session_id)
        live.used_at = anyio.current_time()
        return live

    async def _load(self, access: Access, session_id: str) -> LiveSession | None:
        found = await self._stored(self._store.read, session_id)
        if found is None or found[0].owner != access.owner:
            return None
        record, stored = found
        # In a thread, because FLAC files are decoded.
        history = await self._in_thread(_decoded, stored)
        return self._add(record, self._session(record, access, history), len(stored))

    def _lock_of(self, session_id: str) -> anyio.Lock:
        """Returns the lock that keeps a session from being loaded twice."""
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = anyio.Lock()
        return lock

    def _session(self, record: SessionRecord, access: Access, history: list[Message]) -> Session:
        voices = access.voices(self._assistant.library)
        session = self._assistant.session(
            voice=record.normal_voice,
            language=record.language,
            system_prompt=record.system_prompt,
            allow=lambda: access.tools(record.tools),
            speak=record.speak,
            voices=voices,
            history=history,
            turns=record.turns,
            id=record.id,
        )
        with suppress(LibraryError):  # the clip may be gone
            session.switch_voice(session.find_voice(record.voice))
        return session

    def _add(self, record: SessionRecord, session: Session, saved: int) -> LiveSession:
        append = partial(self._in_thread, self._store.append)
        live = LiveSession(session, record, saved, self._settings.audio, append)
        self._live[record.id] = live
        self._evict()
        return live

    @property
    def memory_bytes(self) -> int:
        """The bytes that the sessions in memory take."""
        return sum(live.memory_bytes for live in self._live.values())

    def _evict(self) -> None:
        """Lets the sessions go that were not used for long, or for the longest time if there are
        too many, or too large ones; of these the newest one stays.
        """
        count, size = len(self._live), self.memory_bytes
        idle_since = anyio.current_time() - self._settings.idle_s
        for live in list(self._live.values()):
            too_much = count > 1 and (
                count > self._max_live or size > self._settings.max_memory_bytes
            )
            if not too_much and live.used_at > idle_since:
                return
            if live.evictable:
                count, size = count - 1, size - live.memory_bytes
                del self._live[live.record.id]

    async def turn(
        self,
        access: Access,
        session_id: str,
        start: Callable[[Session], Events],
        *,
        interrupt: bool,
    ) -> Events:
        """Begins a turn and returns its events, which are those of `start(session)`.

        If another one runs, it is stopped first with `interrupt`; otherwise raises ApiError 409.
        Raises ApiError 507 if the sessions of the caller take too many bytes.
        """
        await self._check_size(access.owner)
        while (live := await self.find(access, session_id)).turn is not None:
            if not interrupt:
                raise conflict("a turn of this session is running; wait, or send interrupt: true")
            await live.turn.stop()
        turn = live.begin()
        expires_at = self._now() + self._settings.ttl_s
        self._tasks.start_soon(self._run, live, turn, start(live.session), expires_at)
        return turn.read()

    async def _run(
        self, live: LiveSession, turn: DetachedTurn, events: Events, expires_at: float
    ) -> None:
        await live.run(turn, events, expires_at)
        self._sizes.pop(live.record.owner, None)
        live.used_at = anyio.current_time()
        self._evict()

    async def delete(self, access: Access, session_id: str) -> None:
        """Stops what runs, and forgets all of it. Raises ApiError 404."""
        live = await self.find(access, session_id)
        while live.turn is not None:
            await live.turn.stop()
        async with self._lock_of(session_id):
            self._live.pop(session_id, None)
            await self._stored(self._store.delete, session_id)
            self._sizes.pop(access.owner, None)

    async def of_owner(self, access: Access, limit: int) -> list[SessionRecord]:
        records = await self._stored(self._store.of_owner, access.owner, limit)
        return [record for record in records if record.expires_at > self._now()]

    def _expired(self, live: LiveSession) -> bool:
        return live.turn is None and live.record.expires_at <= self._now()

    async def sweep(self) -> None:
        """Deletes the sessions that have expired, and lets idle ones go from memory.

        Nothing is deleted right after the system's clock was set: it may have jumped.
        """
        self._evict()
        if self._clock_was_set():
            logger.warning("The clock was set: nothing is deleted this time")
            return
        busy = [session_id for session_id, live in self._live.items() if live.turn is not None]
        for session_id in await self._in_thread(self._store.delete_expired, self._now(), busy):
            self._live.pop(session_id, None)

    def _clock_was_set(self) -> bool:
        before, self._clocks = self._clocks, (self._now(), time.monotonic())
        now, steady = self._clocks
        return abs((now - before[0]) - (steady - before[1])) > CLOCK_STEP_S

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except StoreError as error:
                logger.error("Expired sessions are not deleted: %s", error)
            await anyio.sleep(min(SWEEP_S, max(1.0, self._settings.ttl_s / 2)))

    async def _stored(self, function: Callable[..., T], *arguments: Any) -> T:
        """A call of the store for a request. Raises ApiError: 507 full, 503 anything else."""
        try:
            return await self._in_thread(function, *arguments)
        except StoreError as error:
            if error.full:
                raise ApiError(str(error), status=507, code="storage_full") from error
            raise unavailable(str(error), retry_after_s=5) from error

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await anyio.to_thread.run_sync(partial(function, *arguments), limiter=self._threads)


def _decoded(stored: list[StoredMessage]) -> list[Message]:
    return [decode(message.value, message.audio) for message in stored]
