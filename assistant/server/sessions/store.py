"""The protocol of a session store, an extension point. Its calls block, and come from several
threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from assistant.errors import RefusedError


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """All of a session but its messages. Times are seconds since the epoch."""

    id: str
    owner: str  # id of the key that created it, empty if there are no keys
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
    """`value`: see serialize.py; `sounds`: FLAC files."""

    value: dict[str, Any]
    audio: tuple[bytes, ...] = ()


class StoreError(RefusedError):
    """The store failed; `full` tells that it has no more space."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class SessionStore(Protocol):
    """Every call is done wholly or not at all, also when the process is killed in the middle.

    All of them may raise StoreError.
    """

    def open(self) -> None:
        """Connects to what lies behind; called once, before anything else."""
        ...

    def create(self, record: SessionRecord) -> None: ...

    def read(self, session_id: str) -> tuple[SessionRecord, list[StoredMessage]] | None: ...

    def append(self, record: SessionRecord, first: int, messages: Sequence[StoredMessage]) -> None:
        """Adds messages, the first of which has the number `first`, and replaces the record."""
        ...

    def of_owner(self, owner: str, limit: int) -> list[SessionRecord]:
        """The newest first."""
        ...

    def count(self, owner: str) -> int: ...

    def delete(self, session_id: str) -> None: ...

    def delete_expired(self, now: float, but: Sequence[str]) -> list[str]:
        """Deletes what expired before `now`, except the sessions of the ids in `but`."""
        ...

    def close(self) -> None: ...
