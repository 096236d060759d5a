"""Mutates lines of JSON by their structure: bytes that are changed blindly are rarely JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", " ", "\0", "\n", "\ud800", "\u2028", "🙂", "a" * 300, "A" * 4_000,
    "0" * 5_000, "inf", "none", "null", "../x", [], {}, [[]], [None], {"": None}, [0] * 300,
)  # fmt: skip
"""Values at the borders of types and limits."""


def mutated(data: bytes, seeds: Sequence[bytes], seed: int) -> bytes:
    """Returns other lines of JSON; lines that are not JSON may be dropped, moved or repeated."""
    dice = random.Random(seed)
    lines = data.split(b"\n")
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(lines))
        choice = dice.random()
        if choice < 0.6:
            lines[at] = _line(lines[at], dice)
        elif choice < 0.75:
            lines.insert(at, dice.choice(dice.choice(seeds).split(b"\n")))
        elif choice < 0.85:
            lines.insert(dice.randrange(len(lines)), lines[at])
        elif choice < 0.95 and len(lines) > 1:
            del lines[at]
        else:
            dice.shuffle(lines)
    return b"\n".join(lines)


def _line(line: bytes, dice: random.Random) -> bytes:
    try:
        holder = [json.loads(line)]
    except (ValueError, RecursionError):
        return line
    _change(holder, dice)
    return json.dumps(holder[0], ensure_ascii=dice.random() < 0.8).encode("utf-8", "replace")


def _change(holder: list[Any], dice: random.Random) -> None:
    """Changes one value, or one key, of a tree in place."""
    places = list(_places(holder))
    parent, key = dice.choice(places)
    other, other_key = dice.choice(places)
    choice = dice.random()
    if choice < 0.45:
        parent[key] = dice.choice(VALUES)
    elif choice < 0.65:
        parent[key] = json.loads(json.dumps(other[other_key]))
    elif choice < 0.75:
        parent[key] = [parent[key]] * dice.choice((1, 2, 70))
    elif isinstance(parent, dict):
        value = parent.pop(key)
        if choice > 0.85 and isinstance(other_key, str):
            parent[other_key] = value
    elif parent is not holder:
        del parent[key]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the container and the key of each value of a tree."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        for key in one if isinstance(one, dict) else range(len(one)):
            yield one, key
            if isinstance(one[key], dict | list):
                waiting.append(one[key])
