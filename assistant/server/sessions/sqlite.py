"""Sessions in one SQLite file, which belongs to one server at a time.

Write-ahead logging: a turn is in the file, or it is not, whenever the process is killed.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import filelock

from assistant.config import SessionSettings
from assistant.errors import SettingsError
from assistant.server.sessions.store import SessionRecord, StoredMessage, StoreError

logger = logging.getLogger(__name__)

VERSION = 1
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE")
_SCHEMA = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_at REAL NOT NULL, expires_at REAL NOT NULL,
    record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_of_owner ON sessions (owner, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE TABLE messages (
    session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE, number INTEGER NOT NULL,
    value TEXT NOT NULL, PRIMARY KEY (session, number)
);
CREATE TABLE sounds (
    session TEXT NOT NULL, message INTEGER NOT NULL, number INTEGER NOT NULL, flac BLOB NOT NULL,
    PRIMARY KEY (session, message, number),
    FOREIGN KEY (session, message) REFERENCES messages ON DELETE CASCADE
);
"""


_SIZES = (
    "SELECT sum(length(record)) FROM sessions WHERE owner = ?",
    "SELECT sum(length(m.value)) FROM messages m JOIN sessions s ON s.id = m.session"
    " WHERE s.owner = ?",
    "SELECT sum(length(a.flac)) FROM sounds a JOIN sessions s ON s.id = a.session"
    " WHERE s.owner = ?",
)


class SqliteStore:
    """The default SessionStore. `open` raises SettingsError: in use, not ours, can't be written."""

    def __init__(self, settings: SessionSettings) -> None:
        self._path = settings.file
        self._max_bytes = settings.max_bytes
        self._lock = threading.Lock()
        self._file_lock = filelock.FileLock(f"{settings.file}.lock", thread_local=False)
        self._db: sqlite3.Connection

    def open(self) -> None:
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file_lock.acquire(timeout=0)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                with suppress(FileNotFoundError):
                    path.with_name(name).chmod(0o600)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare()
        except filelock.Timeout:
            hint = "give this one another server.sessions.file"
            raise SettingsError(
                f"{path}: another server keeps its sessions there", hint=hint
            ) from None
        except (OSError, sqlite3.Error) as error:
            self._file_lock.release()
            raise SettingsError(f"{path}: can't keep sessions there: {_why(error)}") from error

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise SettingsError(f"{self._path}: sessions of another version ({version})")
        damage = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            logger.error("%s is damaged: %s", self._path, damage)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA secure_delete = ON")
        page = self._db.execute("PRAGMA page_size").fetchone()[0]
        self._db.execute(f"PRAGMA max_page_count = {max(16, self._max_bytes // page)}")
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    def close(self) -> None:
        with self._lock:
            self._db.close()
            self._file_lock.release()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise _store_error(error) from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def create(self, record: SessionRecord) -> None:
        with self._transaction() as db:
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", _row(record))

    def read(self, session_id: str) -> tuple[SessionRecord, list[StoredMessage]] | None:
        with self._transaction() as db:
            query = "SELECT record FROM sessions WHERE id = ?"
            found = db.execute(query, (session_id,)).fetchone()
            if found is None:
                return None
            audio: dict[int, list[bytes]] = {}
            query = "SELECT message, flac FROM sounds WHERE session = ? ORDER BY message, number"
            for number, flac in db.execute(query, (session_id,)):
                audio.setdefault(number, []).append(flac)
            query = "SELECT number, value FROM messages WHERE session = ? ORDER BY number"
            rows = db.execute(query, (session_id,)).fetchall()
        try:
            messages = [StoredMessage(json.loads(v), tuple(audio.get(n, ()))) for n, v in rows]
            return _record(found[0]), messages
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"the session {session_id} is damaged") from error

    def append(self, record: SessionRecord, first: int, messages: Sequence[StoredMessage]) -> None:
        with self._transaction() as db:
            id_, _, _, expires_at, text = _row(record)
            query = "UPDATE sessions SET expires_at = ?, record = ? WHERE id = ?"
            updated = db.execute(query, (expires_at, text, id_))
            if not updated.rowcount:
                raise StoreError("the session was deleted")
            for number, message in enumerate(messages, first):
                value = json.dumps(message.value, separators=(",", ":"))
                db.execute("INSERT INTO messages VALUES (?, ?, ?)", (record.id, number, value))
                for part, flac in enumerate(message.audio):
                    row = (record.id, number, part, flac)
                    db.execute("INSERT INTO sounds VALUES (?, ?, ?, ?)", row)

    def of_owner(self, owner: str, limit: int) -> list[SessionRecord]:
        query = "SELECT record FROM sessions WHERE owner = ? ORDER BY created_at DESC LIMIT ?"
        with self._transaction() as db:
            rows = db.execute(query, (owner, limit)).fetchall()
        records = []
        for (text,) in rows:
            try:
                records.append(_record(text))
            except (ValueError, TypeError, KeyError):
                logger.error("A session of the key %s is damaged", owner or "-")
        return records

    def count(self, owner: str) -> int:
        with self._transaction() as db:
            query = "SELECT count(*) FROM sessions WHERE owner = ?"
            return int(db.execute(query, (owner,)).fetchone()[0])

    def size(self, owner: str) -> int:
        total = 0
        with self._transaction() as db:
            for query in _SIZES:
                total += int(db.execute(query, (owner,)).fetchone()[0] or 0)
        return total

    def delete(self, session_id: str) -> None:
        self._delete(session_id)
        self._forget_log()

    def _delete(self, session_id: str) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM sessions WHERE id = ?", (session_id,))

    def _forget_log(self) -> None:
        """Empties the write-ahead log, which still holds what was deleted."""
        with self._lock:
            try:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.Error as error:
                raise _store_error(error) from error

    def delete_expired(self, now: float, but: Sequence[str]) -> list[str]:
        with self._transaction() as db:
            rows = db.execute("SELECT id FROM sessions WHERE expires_at < ?", (now,)).fetchall()
        deleted = []
        for session_id in [row[0] for row in rows if row[0] not in but]:
            try:  # one by one: a damaged one must not keep the others
                self._delete(session_id)
                deleted.append(session_id)
            except StoreError as error:
                logger.error("The expired session %s can't be deleted: %s", session_id, error)
        if deleted:
            self._forget_log()
        return deleted


def _row(record: SessionRecord) -> tuple[str, str, float, float, str]:
    text = json.dumps({name: getattr(record, name) for name in record.__slots__})
    return (record.id, record.owner, record.created_at, record.expires_at, text)


def _record(text: str) -> SessionRecord:
    values = json.loads(text)
    tools = values.pop("tools")
    return SessionRecord(**values, tools=None if tools is None else tuple(tools))


def _store_error(error: sqlite3.Error) -> StoreError:
    full = "full" in str(error) or getattr(error, "sqlite_errorname", "") in _FULL
    what = "there is no room left for sessions" if full else "the sessions can't be stored"
    return StoreError(what if full else f"{what}: {error}", full=full)


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
