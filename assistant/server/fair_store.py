"""A bounded store that the callers of a server share, and in which no caller can displace another.

Whatever is retained in memory for callers between requests (texts being streamed, earlier turns,
client secrets, disconnected conversations) is bounded by number, by bytes and by age. When a bound
is reached, the oldest entry of the owner who holds the most is dropped, so that one owner who fills
the store loses its own entries only.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    size: int
    expires: float


class _Owned(Generic[T]):
    """The entries of one owner, oldest first, and the bytes they take."""

    def __init__(self) -> None:
        self.entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self.size = 0

    def pop(self, key: str) -> _Entry[T]:
        entry = self.entries.pop(key)
        self.size -= entry.size
        return entry


class FairStore(Generic[T]):
    """Values by owner and key. `now` is a monotonic clock in seconds.

    At most `max_items` values that take at most `max_bytes` together, as far as `add` is told their
    sizes; each is dropped `ttl_s` seconds after it was added. `on_drop` is called with each value
    that the store drops by itself.
    """

    def __init__(
        self,
        *,
        max_items: int,
        ttl_s: float,
        max_bytes: int = 2**62,
        now: Callable[[], float] = time.monotonic,
        on_drop: Callable[[T], None] = lambda value: None,
    ) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._now = now
        self._on_drop = on_drop
        self._owners: dict[str, _Owned[T]] = {}
        self._count = 0
        self._size = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> int:
        """The bytes that all values take together."""
        return self._size

    def count(self, owner: str) -> int:
        """Returns how many values the owner has that have not expired."""
        self.drop_expired()
        owned = self._owners.get(owner)
        return len(owned.entries) if owned else 0

    def add(self, owner: str, key: str, value: T, size: int = 0) -> None:
        """Adds or replaces a value that takes `size` bytes, and drops others to make room.

        A value that is larger than the whole store is dropped at once.
        """
        self.pop(owner, key)
        self.drop_expired()
        owned = self._owners.setdefault(owner, _Owned())
        owned.entries[key] = _Entry(value, size, self._now() + self._ttl_s)
        owned.size += size
        self._count += 1
        self._size += size
        while self._count > self._max_items or self._size > self._max_bytes:
            self._drop_oldest_of(self._owner_with_the_most())

    def get(self, owner: str, key: str) -> T | None:
        """Returns the owner's value of that key; None if there is none or it has expired."""
        owned = self._owners.get(owner)
        entry = owned.entries.get(key) if owned else None
        return entry.value if entry and entry.expires > self._now() else None

    def pop(self, owner: str, key: str) -> T | None:
        """Removes a value and returns it; None if there is none or it has expired."""
        owned = self._owners.get(owner)
        if owned is None or key not in owned.entries:
            return None
        entry = self._remove(owner, key)
        return entry.value if entry.expires > self._now() else None

    def next_expiry(self) -> float | None:
        """Returns when the next value expires, by the store's clock; None if it is empty."""
        return min((next(iter(one.entries.values())).expires for one in self._all()), default=None)

    def drop_expired(self) -> None:
        """Drops every value that has expired."""
        now = self._now()
        for owner, owned in list(self._owners.items()):
            while owned.entries and next(iter(owned.entries.values())).expires <= now:
                self._drop_oldest_of(owner)

    def clear(self) -> None:
        """Drops all values."""
        for owner, owned in list(self._owners.items()):
            while owned.entries:
                self._drop_oldest_of(owner)

    def _all(self) -> Iterator[_Owned[T]]:
        return iter(self._owners.values())

    def _owner_with_the_most(self) -> str:
        """Returns the owner with the largest share of what has run out, bytes or items."""
        by_bytes = self._size > self._max_bytes
        return max(
            self._owners,
            key=lambda owner: (
                self._owners[owner].size if by_bytes else len(self._owners[owner].entries)
            ),
        )

    def _drop_oldest_of(self, owner: str) -> None:
        key = next(iter(self._owners[owner].entries))
        self._on_drop(self._remove(owner, key).value)

    def _remove(self, owner: str, key: str) -> _Entry[T]:
        owned = self._owners[owner]
        entry = owned.pop(key)
        self._count -= 1
        self._size -= entry.size
        if not owned.entries:
            del self._owners[owner]
        return entry
