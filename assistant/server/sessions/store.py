"""The protocol of a session store, an extension point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from assistant.errors import RefusedError


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """All of a session but its messages. Times are seconds since the epoch."""

    id: str
    owner: str  # id of the key that made it, empty if there are no keys
    created_at: float
    expires_at: float
    system_prompt: str
    language: str
    normal_voice: str
    voice: str  # the one that a tool may have changed to
    tools: tuple[str, ...] | None  # None: all of them
    speak: bool = True
    turns: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """`value`: see serialize.py; `audio`: FLAC files."""

    value: dict[str, Any]
    audio: tuple[bytes, ...] = ()


class StoreError(RefusedError):
    """The store failed; `full` tells that it has no more space."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class SessionStore(Protocol):
    """Stores the conversations of /v1/sessions; `create_app(session_store=...)` takes one.

    Its calls block, and come from several threads at once. Each is done wholly or not at all, also
    if the process is killed in the middle. All of them may raise StoreError: clients get the status
    507 if it is `full`, else 503.
    """

    def open(self) -> None:
        """Connects to what lies behind; called before anything else, and again after `close`.

        Raises AssistantError if the store can't be used; the server then doesn't start.
        """
        ...

    def create(self, record: SessionRecord) -> None:
        """Adds a session without messages."""
        ...

    def read(self, session_id: str) -> tuple[SessionRecord, list[StoredMessage]] | None:
        """Returns a session and its messages, oldest first; None if there is none of that id."""
        ...

    def append(self, record: SessionRecord, first: int, messages: Sequence[StoredMessage]) -> None:
        """Adds messages, the first of which has the number `first`, and replaces the record.

        Raises StoreError if the session was deleted meanwhile.
        """
        ...

    def of_owner(self, owner: str, limit: int) -> list[SessionRecord]:
        """Returns at most `limit` sessions of a key, the newest first."""
        ...

    def count(self, owner: str) -> int:
        """Returns how many sessions a key has."""
        ...

    def size(self, owner: str) -> int:
        """Returns the approximate number of bytes that the sessions of a key take."""
        ...

    def delete(self, session_id: str) -> None:
        """Deletes a session with its messages; does nothing if there is none of that id."""
        ...

    def delete_expired(self, now: float, but: Sequence[str]) -> list[str]:
        """Deletes what expired before `now` (seconds since the epoch); returns the ids.

        Sessions whose ids are in `but` stay.
        """
        ...

    def close(self) -> None:
        """Disconnects; no call follows but `open`."""
        ...
