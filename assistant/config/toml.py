"""Reads TOML, also on Python 3.10, whose standard library has no reader."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


MAX_DEPTH = 64
"""Levels of tables and lists in a file; more would exhaust the stack of those who read them."""
_MAX_INTEGER = 2**63


def parse(text: str) -> dict[str, Any]:
    """Returns the tables of a TOML text.

    Raises ValueError if it is not valid TOML, is nested too deep, or has an integer that does not
    fit into the 64 bits of TOML: Python can't even print one of many digits.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    for value in values_of(tables):
        if isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
            raise ValueError("an integer has more than 64 bits")
    return tables


def check_depth(tree: object) -> None:
    """Raises ValueError if lists and tables are nested more than MAX_DEPTH levels deep."""
    for _ in values_of(tree):
        pass


def values_of(tree: object) -> Iterator[object]:
    """Yields each value of a tree. Raises ValueError: see check_depth."""
    level = [tree]
    for _ in range(MAX_DEPTH + 1):
        yield from level
        level = [item for one in level for item in _items(one)]
    if level:
        raise _too_deep()


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep() -> ValueError:
    return ValueError(f"nested more than {MAX_DEPTH} levels deep")
