"""Client secrets: a client's own server passes one to a browser, which must not see the key.

Only hashes are stored, in memory: after a restart, clients ask for new ones.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assistant.server.auth.keys import hash_of
from assistant.server.http.errors import too_large, too_many

PREFIX = "ek_"
MAX_PER_OWNER = 100
MAX_SESSION_BYTES = 16_384
"""The size of the configuration in a client secret, as JSON in UTF-8."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """`owner`: the id of the key that created it. `expires_at`: in seconds since the epoch.

    `session_json`: the configuration that its conversations begin with, as JSON: a parsed one takes
    ten to twenty times the memory.
    """

    owner: str
    expires_at: float
    session_json: str

    @property
    def session(self) -> dict[str, Any]:
        """The configuration that its conversations begin with."""
        return dict(json.loads(self.session_json))


class ClientSecrets:
    """Those that have not expired. `now` is a clock that is never set, in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._secrets: dict[str, tuple[ClientSecret, float]] = {}  # until when, by hash

    def make(
        self, owner: str, ttl_s: float, session: Mapping[str, Any]
    ) -> tuple[str, ClientSecret]:
        """Returns the secret, which can't be shown again, and its record.

        Raises ApiError 413 if the configuration is larger than MAX_SESSION_BYTES, 429 if the owner
        has MAX_PER_OWNER secrets.
        """
        session_json = json.dumps(session, separators=(",", ":"))
        if len(session_json) > MAX_SESSION_BYTES:
            raise too_large(f"session: larger than {MAX_SESSION_BYTES} bytes")
        now = self._now()
        self._secrets = {key: one for key, one in self._secrets.items() if one[1] > now}
        if Counter(one.owner for one, _ in self._secrets.values())[owner] >= MAX_PER_OWNER:
            text = f"this key has {MAX_PER_OWNER} client secrets already"
            raise too_many(text, retry_after_s=ttl_s)
        token = PREFIX + secrets.token_urlsafe(32)
        made = ClientSecret(owner, time.time() + ttl_s, session_json)
        self._secrets[hash_of(token)] = made, now + ttl_s
        return token, made

    def find(self, token: str) -> ClientSecret | None:
        # By its hash: the time of a search reveals nothing of the secrets.
        found, until = self._secrets.get(hash_of(token), (None, 0.0))
        return found if until > self._now() else None
