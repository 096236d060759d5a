"""The prefix cache: assigns the slots of the KV cache to conversations, and evicts the
idlest one.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Set as AbstractSet

from assistant.engines.step_audio_2.sequence import CachedPrefix


class PrefixCache:
    """The last slot is never given to a conversation: it is for idle work."""

    def __init__(self, count: int) -> None:
        self.spare = count - 1
        self._owners: list[weakref.ref[CachedPrefix] | None] = [None] * (count - 1)
        self._used = [0] * (count - 1)
        self._clock = itertools.count(1)

    def take(self, conversation: CachedPrefix, in_use: AbstractSet[int]) -> int:
        """Returns the conversation's own slot if it still has one, else evicts the longest idle
        one.

        At least one slot must be free of `in_use`. A conversation that loses its slot is prefilled
        again.
        """
        slot = conversation.slot
        if slot is None:
            slot = min(set(range(self.spare)) - in_use, key=self._rank)
            self._evict(slot)
            self._owners[slot] = weakref.ref(conversation)
            conversation.slot = slot
        self._used[slot] = next(self._clock)
        return slot

    def release(self, conversation: CachedPrefix) -> None:
        if conversation.slot is not None:
            self._evict(conversation.slot)

    def _rank(self, slot: int) -> tuple[bool, int]:
        return self._owner(slot) is not None, self._used[slot]

    def _owner(self, slot: int) -> CachedPrefix | None:
        owner = self._owners[slot]
        return owner() if owner is not None else None

    def _evict(self, slot: int) -> None:
        owner = self._owner(slot)
        if owner is not None:
            owner.slot = None
            owner.prefix_ids.clear()
        self._owners[slot] = None
