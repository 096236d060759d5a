"""Reads TOML, also on Python 3.10, whose standard library has no reader."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


MAX_DEPTH = 64
"""Levels of tables and lists in a file; more would exhaust the stack of those who read them."""
_MAX_INTEGER = 2**63

T = TypeVar("T")


def parse(text: str) -> dict[str, Any]:
    """Returns the tables of a TOML text.

    Raises ValueError if it is not valid TOML, is nested too deep, or has an integer that does not
    fit into the 64 bits of TOML: Python can't even print one of many digits.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    return checked(tables)


def checked(value: T) -> T:
    """Returns a tree of values as it is. Raises ValueError: see parse."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        for one in level:
            if isinstance(one, int) and not -_MAX_INTEGER <= one < _MAX_INTEGER:
                raise ValueError("an integer has more than 64 bits")
        level = [item for one in level for item in _items(one)]
        if not level:
            return value
    raise _too_deep()


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep() -> ValueError:
    return ValueError(f"nested more than {MAX_DEPTH} levels deep")
