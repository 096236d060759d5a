"""What a target is, and the vocabulary of the dictionaries."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

Run = Callable[[bytes], None]
"""Takes one input. Raises an allowed error of the target, or a finding."""

_TOKEN = re.compile(rb"[\w.+/-]{2,40}")
_MOST_TOKENS = 400


class FindingError(AssertionError):
    """A property of a target does not hold."""


@dataclass(frozen=True)
class Target:
    """One door of the project.

    `open` prepares what all inputs share, for example a server. `allowed` are the documented errors
    that an input may raise. `json_lines`: each line of an input is a JSON text, and is mutated as
    one.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    open: Callable[[], AbstractContextManager[Run]]
    allowed: tuple[type[Exception], ...] = ()
    json_lines: bool = False
    max_bytes: int = 4_096

    def tokens(self) -> list[bytes]:
        """Returns the words of the seeds, which mutations put into other places."""
        found = {token for seed in self.seeds() for token in _TOKEN.findall(seed)}
        return sorted(found)[:_MOST_TOKENS]
