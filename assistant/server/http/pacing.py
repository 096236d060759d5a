"""Pacing: how many bytes the WebSockets of one owner may send a second."""

from __future__ import annotations

from collections.abc import Callable

import anyio


class BytePacer:
    """A token bucket of bytes that may go into debt, for all connections of one owner together.

    A message is taken as it comes; the next one waits until the bucket holds no debt. `now` is the
    clock of the event loop, in seconds.
    """

    def __init__(
        self,
        bytes_per_s: float,
        *,
        now: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._rate = bytes_per_s
        self._now = now
        self._tokens = bytes_per_s
        self._filled = now()

    def take(self, size: int) -> float:
        """Counts a message of `size` bytes; returns how long its reader has to wait, in seconds."""
        now = self._now()
        self._tokens = min(self._rate, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        self._tokens -= size
        return max(-self._tokens / self._rate, 0.0)
