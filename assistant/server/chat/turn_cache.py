"""A cache of earlier turns, found by the ids that clients send back.

A client's history holds the calls of its own tools and the ids of spoken completions, but neither
the server's tool calls and results nor the ids that the engine generated. With them the engine
continues from exactly what was generated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from assistant.messages import Message, size_of
from assistant.server.fair_store import FairStore

TTL_S = 3600.0
LIMIT = 4096
MAX_BYTES = 2**26
"""The bytes that all turns together may take."""


class TurnCache:
    """Turns by the owner of their key and by id, bounded by number, bytes and age.

    What is not found (any more) is taken from the client's own messages. `now` is a monotonic clock
    in seconds.
    """

    def __init__(
        self,
        *,
        limit: int = LIMIT,
        max_bytes: int = MAX_BYTES,
        ttl_s: float = TTL_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_s = ttl_s
        self._turns: FairStore[tuple[Message, ...]] = FairStore(
            max_items=limit, max_bytes=max_bytes, ttl_s=ttl_s, now=now
        )

    def store(self, owner: str, key: str, messages: Sequence[Message]) -> int:
        """Stores the messages of a turn; returns when they expire, in seconds since the epoch."""
        turn = tuple(messages)
        self._turns.add(owner, key, turn, sum(size_of(message) for message in turn))
        return int(time.time() + self._ttl_s)

    def find(self, owner: str, key: str) -> tuple[Message, ...]:
        """Returns the messages of that turn; empty if it is not known (any more)."""
        return self._turns.get(owner, key) or ()
