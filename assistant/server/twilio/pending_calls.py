"""Calls that were announced by the webhook and have not come yet: each may come once, and soon."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from assistant.live.clock import Clock

VALID_S = 60.0
MOST = 1_000


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call as the webhook announced it."""

    call_sid: str
    until: float


class PendingCalls:
    """A token for each, at most `most`: the oldest is forgotten first."""

    def __init__(self, clock: Clock, *, valid_s: float = VALID_S, most: int = MOST) -> None:
        self._clock = clock
        self._valid_s = valid_s
        self._most = most
        self._calls: dict[str, PendingCall] = {}  # oldest first

    def __len__(self) -> int:
        self._forget_old()
        return len(self._calls)

    def add(self, call_sid: str) -> str:
        """A token for the call, good for once."""
        self._forget_old()
        if len(self._calls) >= self._most:
            del self._calls[next(iter(self._calls))]
        token = secrets.token_urlsafe(32)
        self._calls[token] = PendingCall(call_sid, self._clock.now() + self._valid_s)
        return token

    def take(self, token: str, call_sid: str) -> bool:
        """Returns whether the token is that of this call; the token is void afterwards."""
        self._forget_old()
        call = self._calls.pop(token, None)
        given = call_sid.encode("utf-8", "replace")
        return call is not None and hmac.compare_digest(call.call_sid.encode(), given)

    def _forget_old(self) -> None:
        now = self._clock.now()
        for token, call in list(self._calls.items()):
            if call.until > now:
                break
            del self._calls[token]
