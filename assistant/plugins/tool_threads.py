"""Threads for tools that block.

The threads are daemons: a tool that hangs forever must not prevent the program from ending. Each
tool has a bounded number of them, and an abandoned thread keeps its place until it really ends: a
tool that hangs blocks only itself, and the number of threads stays bounded. A call that finds all
places taken waits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

from assistant.concurrency import call_in_daemon_thread
from assistant.errors import AssistantError


class EscapedError(AssistantError):
    """A tool raised SystemExit, KeyboardInterrupt or the like, which must not end the program."""


class ToolThreads:
    """Runs blocking functions, at most `limit` at a time under the same key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # An event loop that has ended takes its waiters with it: each gets its own limiters.
        self._limiters: RunVar[dict[str, CapacityLimiter]] = RunVar("assistant tool threads")

    async def call(
        self, key: str, function: Callable[[], Any], starting: Callable[[], None]
    ) -> Any:
        """Returns the function's value, or raises what it raised. `starting` is called once it
        starts.

        A cancelled call returns at once; its thread goes on and keeps its place.
        """
        limiter, place = self._limiter(key), object()
        await limiter.acquire_on_behalf_of(place)
        starting()
        release = partial(limiter.release_on_behalf_of, place)
        call = partial(_contained, function)
        return await call_in_daemon_thread(call, name=f"tool {key}", ended=release)

    def _limiter(self, key: str) -> CapacityLimiter:
        limiters = self._limiters.get({})
        self._limiters.set(limiters)
        return limiters.setdefault(key, CapacityLimiter(self._limit))


def _contained(function: Callable[[], Any]) -> Any:
    """Calls the function; raises EscapedError instead of what would end the program."""
    try:
        return function()
    except Exception:
        raise
    except BaseException as error:
        raise EscapedError(f"{type(error).__name__} in a tool") from error
