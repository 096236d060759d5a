"""The words and sentences that the engine knows, read from the two files beside this one."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from assistant.config.toml import parse as parse_toml


@cache
def word_class(name: str) -> frozenset[str]:
    """The words of a class of words.toml."""
    return frozenset(read("words.toml")[name].split())


@cache
def read(name: str) -> dict[str, Any]:
    """One of the files as nested tables."""
    return parse_toml(files(__package__).joinpath(name).read_text("utf-8"))
