"""Runs one tool for one call: thread or task, timeout, retries, and what a cancellation may cut."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import httpx
from anyio import from_thread
from anyio.lowlevel import checkpoint_if_cancelled, current_token
from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from assistant.config import PluginSettings
from assistant.errors import AssistantError, ToolError
from assistant.messages import ToolCall
from assistant.plugins.calls import Caller
from assistant.plugins.context import ToolContext, ToolResult
from assistant.plugins.tool import Tool
from assistant.plugins.tool_threads import EscapedError, ToolThreads

logger = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]

UNREACHABLE = (httpx.TransportError, ConnectionError, TimeoutError)
"""Besides ToolError(transient=True), what may be gone at the next try."""

LONGEST_WAIT_S = 5.0


def is_transient(error: BaseException) -> bool:
    return error.transient if isinstance(error, ToolError) else isinstance(error, UNREACHABLE)


class Execution:
    """One call of one tool. `attempts` counts how often the tool was started."""

    def __init__(
        self,
        tool: Tool,
        call: ToolCall,
        caller: Caller,
        settings: PluginSettings,
        threads: ToolThreads,
        sleep: Sleep,
    ) -> None:
        self.attempts = 0
        self._tool = tool
        self._once = tool.side_effect == "once"
        self._retries = 0 if self._once else settings.retries
        self._timeout_s = tool.timeout_s or settings.timeout_s
        self._threads = threads
        self._sleep = sleep
        self._progress = _Progress(partial(caller.on_progress, call))
        self._over = threading.Event()
        self._context = ToolContext(
            session_id=caller.session_id,
            turn_id=caller.turn_id,
            call_id=call.id,
            language=caller.language,
            voice=caller.voice,
            voices=caller.voices,
            settings=tool.settings,
            on_progress=self._progress,
            _cancelled=self._over,
        )

    async def run(self, values: BaseModel) -> ToolResult:
        """Runs the tool and returns its result. Raises ToolTimeoutError, or what
        the tool raised.
        """
        keywords = self._tool.signature.keywords(values, self._context)
        try:
            with anyio.move_on_after(self._timeout_s) as scope:
                return await self._with_retries(keywords, scope)
        finally:
            self._over.set()
            self._progress.close()
        raise ToolTimeoutError(self._out_of_time())

    async def _with_retries(self, keywords: dict[str, Any], scope: anyio.CancelScope) -> ToolResult:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._retries + 1),
            wait=wait_random_exponential(multiplier=0.25, max=LONGEST_WAIT_S),
            retry=retry_if_exception(is_transient),
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(self._attempt, keywords, scope)

    async def _attempt(self, keywords: dict[str, Any], scope: anyio.CancelScope) -> ToolResult:
        def starting() -> None:
            self.attempts += 1
            scope.shield = self._once  # a side effect that began runs to its end

        function = partial(self._tool.function, **keywords)
        if inspect.iscoroutinefunction(self._tool.function):
            await checkpoint_if_cancelled()
            starting()
            return self._result(await _contained(function()))
        blocking = partial(self._call, function)
        value = await self._threads.call(self._tool.name, blocking, starting)
        return value if isinstance(value, ToolResult) else self._result(await _contained(value))

    def _call(self, function: Callable[[], Any]) -> ToolResult | Awaitable[Any]:
        """Makes text of the value in the tool's thread as well: that may take long."""
        value = function()
        return value if inspect.isawaitable(value) else self._result(value)

    def _result(self, value: Any) -> ToolResult:
        try:
            return as_result(value)
        except Exception as error:  # the value's own code may run here
            name = self._tool.name
            logger.exception("What the tool %s returned is no text", name)
            raise ToolError(f"The tool {name} returned what can't be put into words.") from error

    def _out_of_time(self) -> str:
        name, limit = self._tool.name, f"{self._timeout_s:g} seconds"
        if self.attempts == 0:
            return f"The tool {name} is busy with other calls, and was not free within {limit}."
        late = " It may still take effect." if self._once else ""
        return f"The tool {name} did not answer within {limit}.{late}"


class ToolTimeoutError(AssistantError):
    """The call took too long; the message is for the model to read."""


async def _contained(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except (Exception, KeyboardInterrupt, GeneratorExit, anyio.get_cancelled_exc_class()):
        raise
    except BaseException as error:
        raise EscapedError(f"{type(error).__name__} in a tool") from error


class _Progress:
    """Hands progress to the event loop's thread, as long as the call has no outcome."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._token = current_token()
        self._thread = threading.get_ident()
        self._open = True

    def __call__(self, text: str) -> None:
        if threading.get_ident() == self._thread:
            self._pass_on(text)
            return
        with suppress(anyio.RunFinishedError):  # the event loop has ended
            from_thread.run_sync(self._pass_on, text, token=self._token)

    def _pass_on(self, text: str) -> None:
        if self._open:
            self._tell(str(text))

    def close(self) -> None:
        self._open = False


def as_result(value: Any) -> ToolResult:
    """Any value that a tool may return. Raises TypeError or ValueError for what JSON can't hold."""
    if value is None:
        return ToolResult("done")
    if isinstance(value, ToolResult):
        if not isinstance(value.text, str):
            raise TypeError(f"ToolResult.text is {type(value.text).__name__}, not text")
        return ToolResult(clean(value.text), value.data, value.voice)
    if isinstance(value, str):
        return ToolResult(clean(value))
    if isinstance(value, (Iterator, AsyncIterator)):  # it may have no end
        raise TypeError(f"{type(value).__name__} is no answer, but a way to get one")
    text = to_json(value, inf_nan_mode="null").decode()
    return ToolResult(clean(text), to_jsonable_python(value, inf_nan_mode="null"))


def clean(text: str) -> str:
    """Half a surrogate pair, which no encoding can write, becomes a question mark."""
    return str.__str__(text).encode("utf-8", "replace").decode()


def cut(text: str, limit: int) -> str:
    """Returns at most `limit` characters (>= 100), cut between words if possible, with a note about
    it.
    """
    if len(text) <= limit:
        return text
    note = f" … [cut: {len(text)} characters in all]"
    kept = text[: limit - len(note)]
    if not text[len(kept)].isspace():
        words = kept.rsplit(maxsplit=1)[0]
        # Without a space near the end (Chinese, a long link) the cut goes where it must.
        kept = words if len(words) > 0.8 * len(kept) else kept
    return kept.rstrip() + note
