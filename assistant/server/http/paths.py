"""The path of a request as this app's routes know it, and the paths that need no key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OPEN_PATHS = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
"""Need no key: the web page, probes, and what the API looks like."""
OPEN_FOLDERS = ("/static/", "/docs/", "/twilio/")
"""Paths below these need no key: files of the web pages, and calls, whose signature is checked
there.
"""


def route_path(scope: Mapping[str, Any]) -> str:
    """Returns the path below `root_path`: an app may be mounted in another one."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    below = path.removeprefix(root)
    return below if root and path != below and below[:1] in ("", "/") else path


def is_open(scope: Mapping[str, Any]) -> bool:
    """Returns whether the path needs no key."""
    path = route_path(scope)
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)
