"""Calls that the webhook announced: each may come once, and soon.

A token is what a call shows when it comes. Twilio repeats a webhook whose answer it did not get, so
the same call gets the same token for as long as that is unused; afterwards it is known for an hour
and gets no other one, so that a recorded request is worth nothing.
"""

from __future__ import annotations

import hmac
import secrets

from assistant.live.clock import Clock
from assistant.server.fair_store import FairStore

VALID_S = 30.0
"""How long a token is valid, in seconds; Twilio connects at once."""
KNOWN_S = 3_600.0
"""How long the id of a call is known, in seconds."""
MOST = 1_000
MOST_KNOWN = 20_000
_ALL = ""  # Twilio is the one owner


class PendingCalls:
    """A token for each, at most `most`, and the ids of the last `most_known` calls; the oldest is
    dropped first.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        valid_s: float = VALID_S,
        known_s: float = KNOWN_S,
        most: int = MOST,
        most_known: int = MOST_KNOWN,
    ) -> None:
        self._calls: FairStore[str] = FairStore(max_items=most, ttl_s=valid_s, now=clock.now)
        self._tokens: FairStore[str] = FairStore(max_items=most_known, ttl_s=known_s, now=clock.now)

    def __len__(self) -> int:
        """The number of calls that may still come."""
        return self._calls.count(_ALL)

    def is_known(self, call_sid: str) -> bool:
        """Returns whether the call was announced within the last hour."""
        return self._tokens.get(_ALL, call_sid) is not None

    def token(self, call_sid: str) -> str | None:
        """Returns the token that the call got; None if it got none, or it is used or expired."""
        token = self._tokens.get(_ALL, call_sid)
        return token if token and self._calls.get(_ALL, token) is not None else None

    def add(self, call_sid: str) -> str:
        """Returns a new token for the call, valid for one attempt."""
        token = secrets.token_urlsafe(32)
        self._calls.add(_ALL, token, call_sid)
        self._tokens.add(_ALL, call_sid, token)
        return token

    def take(self, token: str, call_sid: str) -> bool:
        """Returns whether the token is that of this call; the token is void afterwards."""
        right = self._calls.pop(_ALL, token)
        given = call_sid.encode("utf-8", "replace")
        return right is not None and hmac.compare_digest(right.encode(), given)
