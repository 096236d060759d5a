"""The server: the assistant over HTTP, in the dialects that voice clients already speak.

    request --> middleware --> a protocol's routes --> turns --> Session --> events
                                                                               |
    client <------------ the protocol's schema writes them <-------------------+

Each protocol is a package of its own and imports no other; `app.py` joins them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.server.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    """Loads `create_app` at its first use, so that the store's protocol comes without FastAPI."""
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from assistant.server import app

    return app.create_app
