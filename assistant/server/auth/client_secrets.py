"""Client secrets: a client's own server passes one to a browser, which must not see the key.

Only hashes are stored, in memory: after a restart, clients ask for new ones.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assistant.server.auth.keys import hash_of
from assistant.server.http.errors import too_many

PREFIX = "ek_"
MAX_PER_OWNER = 1_000


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """`owner`: the id of the key that created it. `session`: the configuration that its
    conversations begin with, from /v1/realtime/client_secrets.
    """

    owner: str
    expires_at: float
    session: Mapping[str, Any]


class ClientSecrets:
    """Those that have not expired. `now`: seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._secrets: dict[str, ClientSecret] = {}

    def make(
        self, owner: str, ttl_s: float, session: Mapping[str, Any]
    ) -> tuple[str, ClientSecret]:
        """Returns the secret, which can't be shown again, and its record. Raises ApiError 429."""
        now = self._now()
        self._secrets = {key: one for key, one in self._secrets.items() if one.expires_at > now}
        if Counter(one.owner for one in self._secrets.values())[owner] >= MAX_PER_OWNER:
            text = f"this key has {MAX_PER_OWNER} client secrets already"
            raise too_many(text, retry_after_s=ttl_s)
        token = PREFIX + secrets.token_urlsafe(32)
        made = self._secrets[hash_of(token)] = ClientSecret(owner, now + ttl_s, session)
        return token, made

    def find(self, token: str) -> ClientSecret | None:
        # By its hash: the time of a search reveals nothing of the secrets.
        found = self._secrets.get(hash_of(token))
        return found if found and found.expires_at > self._now() else None
