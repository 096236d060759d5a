"""Rate limits: how often, and how much at the same time, each key may call."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from assistant.server.auth.keys import ApiKey
from assistant.server.http.errors import too_many

WINDOW_S = 60.0


@dataclass
class _Bucket:
    tokens: float
    filled: float


class RateLimits:
    """A token bucket for each key: a minute's requests at once, then as fast as they fill up."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: dict[str, _Bucket] = {}
        self._turns: Counter[str] = Counter()

    def count_request(self, key: ApiKey) -> None:
        """Raises ApiError 429, which says when the next request will be taken."""
        if key.requests_per_minute is None:
            return
        now, limit = self._now(), key.requests_per_minute
        bucket = self._buckets.setdefault(key.id, _Bucket(limit, now))
        rate = limit / WINDOW_S
        bucket.tokens = min(limit, bucket.tokens + (now - bucket.filled) * rate)
        bucket.filled = now
        if bucket.tokens < 1.0:
            text = f"this key may ask {limit} times a minute"
            raise too_many(text, retry_after_s=(1.0 - bucket.tokens) / rate)
        bucket.tokens -= 1.0

    @contextmanager
    def turn(self, key: ApiKey) -> Iterator[None]:
        """Surrounds a turn of the key. Raises ApiError 429 if it has too many turns."""
        limit = key.concurrent_turns
        if limit is not None and self._turns[key.id] >= limit:
            raise too_many(f"this key may have {limit} turns at a time", retry_after_s=1.0)
        self._turns[key.id] += 1
        try:
            yield
        finally:
            self._turns[key.id] -= 1
            if not self._turns[key.id]:
                del self._turns[key.id]
