"""Where the server may listen."""

from __future__ import annotations

from assistant.config import ServerSettings
from assistant.errors import SettingsError
from assistant.server.auth.middleware import is_loopback


def check_address(settings: ServerSettings) -> None:
    """Raises SettingsError where strangers could ask without a key, unless that is wanted."""
    if is_loopback(settings.host) or settings.keys is not None or settings.insecure:
        return
    raise SettingsError(
        f"{settings.host} is reachable from other machines, and there are no API keys",
        hint="make one with `assistant keys add` and give --keys FILE, or listen on 127.0.0.1; "
        "--insecure listens without keys",
    )
