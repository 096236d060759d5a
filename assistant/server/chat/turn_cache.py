"""A cache of earlier turns, found by the ids that clients send back.

A client's history holds the calls of its own tools and the ids of spoken completions, but neither
the server's tool calls and results nor the ids that the engine generated. With them the engine
continues from exactly what was generated.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from assistant.messages import Message

TTL_S = 3600.0
LIMIT = 4096


class TurnCache:
    """Bounded; what is too old, or too much, is forgotten, and the client's own words stand."""

    def __init__(
        self, *, limit: int = LIMIT, ttl_s: float = TTL_S, now: Callable[[], float] = time.time
    ) -> None:
        self._limit = limit
        self._ttl_s = ttl_s
        self._now = now
        self._turns: OrderedDict[str, tuple[float, tuple[Message, ...]]] = OrderedDict()

    def keep(self, key: str, messages: Sequence[Message]) -> int:
        """Stores the messages of a turn, and returns when they expire, in seconds
        since the epoch.
        """
        expires = self._now() + self._ttl_s
        self._turns[key] = expires, tuple(messages)
        self._turns.move_to_end(key)
        while len(self._turns) > self._limit:
            self._turns.popitem(last=False)
        return int(expires)

    def find(self, key: str) -> tuple[Message, ...]:
        """Returns the messages of that turn; empty if it is not known (any more)."""
        expires, messages = self._turns.get(key, (0.0, ()))
        return messages if expires > self._now() else ()
