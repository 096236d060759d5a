"""A session store: conversations in memory, for a server that must write nothing to disk.

A server: `create_app(settings, session_store=MemoryStore())`.
"""

from collections.abc import Sequence
from threading import Lock

from assistant.extending import SessionRecord, StoredMessage, StoreError


class MemoryStore:
    """Holds sessions until the process ends. Calls come from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sessions: dict[str, tuple[SessionRecord, list[StoredMessage]]] = {}

    def open(self) -> None:
        """There is nothing to connect to."""

    def create(self, record: SessionRecord) -> None:
        with self._lock:
            self._sessions[record.id] = (record, [])

    def read(self, session_id: str) -> tuple[SessionRecord, list[StoredMessage]] | None:
        with self._lock:
            return self._sessions.get(session_id)

    def append(self, record: SessionRecord, first: int, messages: Sequence[StoredMessage]) -> None:
        with self._lock:
            if record.id not in self._sessions:
                raise StoreError("the session was deleted")
            stored = self._sessions[record.id][1]
            self._sessions[record.id] = (record, [*stored[:first], *messages])

    def of_owner(self, owner: str, limit: int) -> list[SessionRecord]:
        with self._lock:
            records = [record for record, _ in self._sessions.values() if record.owner == owner]
        return sorted(records, key=lambda record: record.created_at, reverse=True)[:limit]

    def count(self, owner: str) -> int:
        return len(self.of_owner(owner, len(self._sessions)))

    def size(self, owner: str) -> int:
        with self._lock:
            sessions = list(self._sessions.values())
        stored = [one for record, messages in sessions for one in messages if record.owner == owner]
        return sum(len(str(one.value)) + sum(map(len, one.audio)) for one in stored)

    def delete(self, session_id: str) -> None:
        with self._lock:
            self._sessions.pop(session_id, None)

    def delete_expired(self, now: float, but: Sequence[str]) -> list[str]:
        with self._lock:
            records = [record for record, _ in self._sessions.values()]
            expired = [r.id for r in records if r.expires_at < now and r.id not in but]
            for session_id in expired:
                del self._sessions[session_id]
        return expired

    def close(self) -> None:
        """The sessions stay for the next `open`."""
