"""API keys and what they allow. The file holds a hash of each, never the key itself.

A key is `va_ID_SECRET`. The secret has 256 bits from the system's random source, so one SHA-256 of
it is as good as the slow hashes that guessable passwords need.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Scope = Literal[
    "chat", "audio", "realtime", "sessions", "voices", "voices:write", "tools", "metrics"
]
"""The scopes of a key:

- `chat`: /v1/chat/completions, /v1/models, /generate with a recording;
- `audio`: speech, transcriptions, translations, /generate and /generate/stream with text alone;
- `realtime`: live conversations, and client secrets for browsers;
- `sessions`: conversations that the server stores;
- `voices`: list and search; `voices:write`: upload and delete;
- `tools`: the list of tools; `metrics`: /metrics.
"""
SCOPES: tuple[Scope, ...] = get_args(Scope)
ORDINARY: tuple[Scope, ...] = ("chat", "audio", "realtime", "sessions", "voices", "tools")
"""The scopes of a key that is created without naming any."""

_KEY = re.compile(r"va_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NOBODY = hashlib.sha256(b"").hexdigest()


class ApiKey(BaseModel):
    """One key as in the file. None is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern="^([0-9a-f]{8})?$")
    name: str = ""
    sha256: str = Field(pattern="^[0-9a-f]{64}$", repr=False)
    scopes: frozenset[Scope] = frozenset(ORDINARY)
    tools: frozenset[str] | None = None
    voices: frozenset[str] | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
    concurrent_turns: int | None = Field(default=None, ge=1)


EVERYBODY = ApiKey(id="", name="everybody", sha256=_NOBODY, scopes=frozenset(SCOPES))
"""The caller if no keys are set up."""


class KeyRing:
    """The keys of one file."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = {key.id: key for key in keys}

    def __iter__(self) -> Iterator[ApiKey]:
        return iter(self._keys.values())

    def get(self, key_id: str) -> ApiKey | None:
        return self._keys.get(key_id)

    def find(self, token: str) -> ApiKey | None:
        """The key that the token is of. Takes as long for an unknown id as for a wrong secret."""
        match = _KEY.fullmatch(token)
        key = self._keys.get(match[1]) if match else None
        right = hmac.compare_digest(hash_of(token), key.sha256 if key else _NOBODY)
        return key if right else None


def new_token() -> tuple[str, str]:
    """The id of a new key, and the key."""
    key_id = secrets.token_hex(4)
    return key_id, f"va_{key_id}_{secrets.token_urlsafe(32)}"


def hash_of(token: str) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
