"""The access of a request's caller. The auth middleware puts it into the request's state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from assistant.audio.voice import DEFAULT_VOICE, Voice, VoiceMatch
from assistant.errors import LibraryError
from assistant.plugins import VoiceSearch
from assistant.server.auth.client_secrets import ClientSecret
from assistant.server.auth.keys import EVERYBODY, ApiKey, Scope
from assistant.server.http.errors import forbidden, unauthorized


@dataclass(frozen=True, slots=True)
class Access:
    """The caller of a request or a WebSocket, and what the key allows at this moment.

    `find` returns the key as it is now, or None if it was removed; without it the key can't change.
    """

    first: ApiKey = EVERYBODY
    """The key as it was at the beginning."""
    secret: ClientSecret | None = None
    """Shown instead of the key itself; the key is its maker's then."""
    find: Callable[[str], ApiKey | None] | None = None

    @property
    def owner(self) -> str:
        """The owner of the caller's sessions: the id of the key, empty if there are no keys."""
        return self.first.id

    @property
    def key(self) -> ApiKey:
        """The key as it is now; a client secret narrows it. Raises ApiError 401 if it is gone."""
        key = self.first if self.find is None else self.find(self.owner)
        if key is None:
            raise unauthorized("the API key is not valid any more")
        if self.secret is not None:
            key = key.model_copy(update={"scopes": key.scopes & {"realtime"}})
        return key

    def check(self, scope: Scope) -> None:
        """Raises ApiError 403."""
        if scope not in self.key.scopes:
            raise forbidden(f"this key does not have the scope {scope!r}")

    def tools(self, asked: Collection[str] | None) -> frozenset[str] | None:
        """The tools of a session: those asked for that the key allows; None is all of them."""
        allowed = self.key.tools
        if asked is None or allowed is None:
            return allowed if asked is None else frozenset(asked)
        return allowed & frozenset(asked)

    def may_use_voice(self, voice_id: str) -> bool:
        allowed = self.key.voices
        return allowed is None or voice_id == DEFAULT_VOICE or voice_id in allowed

    def voices(self, library: VoiceSearch) -> VoiceSearch:
        """The library as this caller, and the tools that run for it, may see it."""
        return library if self.find is None else AllowedVoices(library, self)


class AllowedVoices:
    """A voice library of which a caller sees only a part."""

    def __init__(self, library: VoiceSearch, access: Access) -> None:
        self._library = library
        self._access = access

    def search(self, text: str, *, language: str = "", limit: int = 5) -> Sequence[VoiceMatch]:
        """Searches like VoiceSearch; asks for more than `limit`, so that enough are left."""
        if self._access.key.voices is None:
            return self._library.search(text, language=language, limit=limit)
        found = self._library.search(text, language=language, limit=1_000)
        return [match for match in found if self._access.may_use_voice(match.voice.id)][:limit]

    def get(self, voice_id: str) -> Voice:
        """Raises LibraryError for an unknown id, and for one that the key does not allow."""
        if not self._access.may_use_voice(voice_id):
            raise LibraryError(f"no voice is called {voice_id!r}")
        return self._library.get(voice_id)


def access_of(connection: HTTPConnection) -> Access:
    """Returns the caller's access; for FastAPI's Depends too."""
    access: Access = connection.state.access
    return access


def require(scope: Scope) -> Callable[[HTTPConnection], Awaitable[Access]]:
    """A dependency for routes: the caller's access, if it has the scope; else 403."""

    async def dependency(connection: HTTPConnection) -> Access:  # async: needs no thread
        access = access_of(connection)
        access.check(scope)
        return access

    return dependency
