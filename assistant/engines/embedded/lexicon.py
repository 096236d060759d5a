"""The words and sentences that the engine knows, read from the two files beside this one."""

from __future__ import annotations

import sys
from functools import cache
from importlib.resources import files
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@cache
def word_class(name: str) -> frozenset[str]:
    """The words of a class of words.toml."""
    return frozenset(read("words.toml")[name].split())


@cache
def read(name: str) -> dict[str, Any]:
    """One of the files as nested tables."""
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))
