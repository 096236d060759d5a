"""Reads TOML: the standard library's reader, which Python 3.10 doesn't have yet."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError for what is none."""
    return tomllib.loads(text)
