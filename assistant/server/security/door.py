"""The door: whoever asks shows a key, and how often it asks is counted.

Where no keys are set up, everybody who reaches the port may ask. That is this machine's user, and
every web page in this user's browser: so a request must name this machine as its host (a page whose
name was rebound to 127.0.0.1 does not) and must not come from a page of another origin.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.config import ServerSettings
from assistant.server.handlers import answer_error
from assistant.server.problems import forbidden, unauthorized
from assistant.server.security.access import Access
from assistant.server.security.key_file import KeyFile
from assistant.server.security.keys import EVERYBODY, ApiKey
from assistant.server.security.rates import RateLimits
from assistant.server.wire.errors import ApiError

OPEN_PATHS = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
"""Need no key: the web page, probes, and what the API looks like."""
OPEN_FOLDER = "/page/"
"""The parts of the web page. The page asks its user for the key."""


class Door:
    """ASGI middleware; puts an Access into the state of every request and WebSocket."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServerSettings,
        keys: KeyFile | None,
        rates: RateLimits,
    ) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._rates = rates
        self._hosts = {"localhost", settings.host.lower(), *settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            key = self._admit(HTTPConnection(scope))
        except ApiError as error:
            await answer_error(scope, receive, send, error)
            return
        scope.setdefault("state", {})["access"] = Access(key)
        await self._app(scope, receive, send)

    def _admit(self, connection: HTTPConnection) -> ApiKey:
        path = connection.scope["path"]
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return EVERYBODY
        if self._keys is None:
            self._check_origin(connection.headers)
            return EVERYBODY
        token = _bearer(connection.headers)
        if not token:
            raise unauthorized("this server needs an API key")
        key = self._keys.current().find(token)
        if key is None:
            raise unauthorized("the API key is not valid")
        self._rates.count_request(key)
        return key

    def _check_origin(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if is_loopback(self._settings.host) and not self._is_here(host):
            raise forbidden("the Host of the request is not this machine; see allowed_hosts")
        origin = headers.get("origin")
        if origin and not _same(origin, host) and not _listed(origin, self._settings.cors_origins):
            raise forbidden("requests of web pages of other origins are refused; see cors_origins")

    def _is_here(self, host: str) -> bool:
        name = _hostname(host)
        return not name or name in self._hosts or is_loopback(name)


def _bearer(headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _hostname(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return "invalid"


def _same(origin: str, host: str) -> bool:
    return origin.partition("://")[2].lower() == host.lower()


def _listed(origin: str, origins: Collection[str]) -> bool:
    return "*" in origins or origin in origins
