"""Threads for tools that block.

The threads are daemons: a tool that hangs forever must not prevent the program from ending (anyio's
own worker threads would). Each tool has a bounded number of them, and an abandoned thread keeps its
place until it really ends: a tool that hangs blocks only itself, and the number of threads stays
bounded. A call that finds all places taken waits.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio import CapacityLimiter, from_thread
from anyio.lowlevel import EventLoopToken, RunVar, current_token

from assistant.errors import AssistantError


class EscapedError(AssistantError):
    """A tool raised SystemExit, KeyboardInterrupt or the like, which must not end the program."""


class Threads:
    """Runs blocking functions, at most `limit` at a time under the same key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Waiters end with their event loop: each loop gets its own limiters.
        self._limiters: RunVar[dict[str, CapacityLimiter]] = RunVar("assistant tool threads")

    async def call(
        self, key: str, function: Callable[[], Any], starting: Callable[[], None]
    ) -> Any:
        """Returns the function's value, or raises what it raised. `starting` is called once it
        starts.

        A cancelled call returns at once; its thread goes on and keeps its place.
        """
        limiter = self._limiter(key)
        job = _Job(function, limiter, current_token())
        await limiter.acquire_on_behalf_of(job)
        starting()
        try:
            threading.Thread(target=job.run, name=f"tool {key}", daemon=True).start()
        except RuntimeError:  # the system has no more threads
            limiter.release_on_behalf_of(job)
            raise
        await job.ended.wait()
        if job.error is not None:
            raise job.error
        return job.value

    def _limiter(self, key: str) -> CapacityLimiter:
        limiters = self._limiters.get({})
        self._limiters.set(limiters)
        return limiters.setdefault(key, CapacityLimiter(self._limit))


class _Job:
    def __init__(
        self, function: Callable[[], Any], limiter: CapacityLimiter, token: EventLoopToken
    ) -> None:
        self.ended = anyio.Event()
        self.value: Any = None
        self.error: Exception | None = None
        self._function = function
        self._limiter = limiter
        self._token = token
        self._context = contextvars.copy_context()

    def run(self) -> None:
        try:
            self.value = self._context.run(self._function)
        except Exception as error:  # noqa: BLE001  (raised again for the caller)
            self.error = error
        except BaseException as error:  # noqa: BLE001
            self.error = EscapedError(f"{type(error).__name__} in a tool")
            self.error.__cause__ = error
        with suppress(RuntimeError):  # the event loop has ended, and the waiter with it
            from_thread.run_sync(self._end, token=self._token)

    def _end(self) -> None:
        self.ended.set()
        self._limiter.release_on_behalf_of(self)
