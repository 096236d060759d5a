"""What the server made in earlier turns, found again by the ids that clients send back.

A client's history holds its own tools' calls and the ids of answers in sound, but neither our
tools' calls and results nor the ids that the engine generated. With them the engine goes on from
exactly what was said.
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
        """Gives the time until which it is kept, in seconds since 1970."""
        expires = self._now() + self._ttl_s
        self._turns[key] = expires, tuple(messages)
        self._turns.move_to_end(key)
        while len(self._turns) > self._limit:
            self._turns.popitem(last=False)
        return int(expires)

    def find(self, key: str) -> tuple[Message, ...]:
        """The messages of that turn; none, where it is not known any more."""
        expires, messages = self._turns.get(key, (0.0, ()))
        return messages if expires > self._now() else ()
