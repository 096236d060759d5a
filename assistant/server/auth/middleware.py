"""The auth middleware: checks API keys and counts requests.

If no keys are set up, everybody who reaches the port may call. That is this machine's user, and
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
from assistant.errors import SettingsError
from assistant.server.auth.access import Access
from assistant.server.auth.client_secrets import PREFIX, ClientSecret, ClientSecrets
from assistant.server.auth.key_file import KeyFile
from assistant.server.auth.keys import EVERYBODY, ApiKey
from assistant.server.auth.rate_limits import RateLimits
from assistant.server.http.errors import ApiError, forbidden, unauthorized
from assistant.server.http.handlers import respond_with_error
from assistant.server.http.paths import is_open

SUBPROTOCOL = "openai-insecure-api-key."
"""A browser can't send a header with a WebSocket, and names its key as a subprotocol."""


class AuthMiddleware:
    """ASGI middleware; puts an Access into the state of every request and WebSocket."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServerSettings,
        keys: KeyFile | None,
        rates: RateLimits,
        secrets: ClientSecrets,
    ) -> None:
        self._app = app
        self._secrets = secrets
        self._settings = settings
        self._keys = keys
        self._rates = rates
        self._hosts = {"localhost", settings.host.lower(), *settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            access = self._admit(HTTPConnection(scope))
        except ApiError as error:
            await respond_with_error(scope, receive, send, error)
            return
        scope.setdefault("state", {})["access"] = access
        await self._app(scope, receive, send)

    def _admit(self, connection: HTTPConnection) -> Access:
        if is_open(connection.scope):
            return Access()
        if self._keys is None:
            self._check_origin(connection.headers)
        token = _token(connection)
        secret = self._secrets.find(token) if token.startswith(PREFIX) else None
        if token.startswith(PREFIX) and secret is None:
            raise unauthorized("the client secret is not valid, or no more")
        key = self._key(token, secret)
        if secret is not None and connection.scope["type"] != "websocket":
            raise forbidden("a client secret opens live conversations, and nothing else")
        self._rates.count_request(key)
        return Access(key, secret, None if self._keys is None else self._keys.find)

    def _key(self, token: str, secret: ClientSecret | None) -> ApiKey:
        if self._keys is None:
            return EVERYBODY
        if not token:
            raise unauthorized("this server needs an API key")
        ring = self._keys.current()
        key = ring.find(token) if secret is None else ring.get(secret.owner)
        if key is None:
            raise unauthorized("the API key is not valid")
        return key

    def _check_origin(self, headers: Headers) -> None:
        host = headers.get("host", "")
        named = is_loopback(self._settings.host) or self._settings.allowed_hosts
        if named and not self._is_here(host):
            raise forbidden("the Host of the request is not this machine; see allowed_hosts")
        origin = headers.get("origin")
        if not origin and headers.get("sec-fetch-site") == "cross-site":  # such as <img src=...>
            raise forbidden("requests of web pages of other origins are refused; see cors_origins")
        if origin and not _same(origin, host) and not _listed(origin, self._settings.cors_origins):
            raise forbidden("requests of web pages of other origins are refused; see cors_origins")

    def _is_here(self, host: str) -> bool:
        name = _hostname(host)
        return not name or name in self._hosts or is_loopback(name)


def _token(connection: HTTPConnection) -> str:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    offered = connection.scope.get("subprotocols", ())
    return next((o[len(SUBPROTOCOL) :] for o in offered if o.startswith(SUBPROTOCOL)), "")


def is_loopback(host: str) -> bool:
    """Returns whether a server that is bound to `host` is reached from this machine only."""
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


def check_address(settings: ServerSettings) -> None:
    """Raises SettingsError if other machines could call without a key, unless `insecure` is set."""
    if is_loopback(settings.host) or settings.keys is not None or settings.insecure:
        return
    raise SettingsError(
        f"{settings.host} is reachable from other machines, and there are no API keys",
        hint="make one with `assistant keys add` and give --keys FILE, or listen on 127.0.0.1; "
        "--insecure listens without keys",
    )
