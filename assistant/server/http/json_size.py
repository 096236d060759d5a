"""The size of parsed JSON in memory, for the budgets of what is retained of a client's values."""

from __future__ import annotations

from typing import Any

_NODE = 64
"""The bytes that a value takes besides its characters: its object, and its place in a container."""


def size_of_json(value: Any) -> int:
    """Returns about how many bytes a parsed JSON value takes, in time linear in its values."""
    size, pending = 0, [value]
    while pending:
        one = pending.pop()
        size += _NODE
        if isinstance(one, str):
            size += len(one)
        elif isinstance(one, dict):
            size += sum(_NODE + len(key) for key in one)
            pending.extend(one.values())
        elif isinstance(one, (list, tuple)):
            pending.extend(one)
    return size
