"""Reads TOML, also on Python 3.10, whose standard library has no reader."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse(text: str) -> dict[str, Any]:
    """Returns the tables of a TOML text. Raises ValueError if it is not valid TOML."""
    return tomllib.loads(text)
