"""A bench that runs a tool like the assistant does, and tools that record, wait and fail.

def test_the_dice_have_as_many_sides_as_asked() -> None:
    outcome = call_tool(Path("dice.py"), {"sides": 1})
    assert (outcome.outcome, outcome.text) == ("ok", "1")
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint
from pydantic_core import to_json

from assistant.config import PluginSettings
from assistant.errors import PluginError
from assistant.messages import ToolCall, ToolSchema
from assistant.plugins import (
    Caller,
    Dispatcher,
    Registry,
    SideEffect,
    Tool,
    ToolContext,
    ToolOutcome,
    VoiceSearch,
    tool,
)
from assistant.plugins.files import load_file


class ToolBench:
    """Runs a tool through the real dispatch: arguments as JSON, timeout, retries, outcome.

    `source` is a tool or the path of a plugin file. `settings` is the tool's table in
    assistant.toml. `approve` is the reply to a request for approval. `progress` collects the tool's
    progress reports. Attempts follow each other without a wait. Raises PluginError and
    SettingsError like loading.
    """

    def __init__(
        self,
        source: Tool | Path | str,
        *,
        settings: Mapping[str, Any] | None = None,
        voices: VoiceSearch | None = None,
        language: str = "",
        approve: bool = True,
        limits: PluginSettings | None = None,
    ) -> None:
        self.progress: list[str] = []
        self._tools = [source] if isinstance(source, Tool) else _tools_in(Path(source))
        self._table = settings
        self._limits = limits
        self._approve = approve
        self._caller = Caller(
            session_id="bench",
            turn_id="bench",
            language=language,
            voices=voices,
            approve=self._answer,
            on_progress=lambda call, text: self.progress.append(text),
        )

    def call(self, arguments: Mapping[str, Any] | str = "", *, name: str = "") -> ToolOutcome:
        """Returns the outcome of one call. `arguments` may be JSON text, as a model would write it.

        `name` picks the tool if the file has several. In async code use `acall`.
        """
        return anyio.run(lambda: self.acall(arguments, name=name))

    async def acall(
        self, arguments: Mapping[str, Any] | str = "", *, name: str = ""
    ) -> ToolOutcome:
        chosen = self._choose(name).configured(self._table)
        text = arguments if isinstance(arguments, str) else to_json(arguments).decode()
        outcomes: list[ToolOutcome] = []
        dispatcher = Dispatcher(Registry([chosen]), self._limits, sleep=_no_wait)
        await dispatcher.run(ToolCall("call-1", chosen.name, text), self._caller, outcomes.append)
        return outcomes[0]

    def _choose(self, name: str) -> Tool:
        fitting = [one for one in self._tools if name in ("", one.name)]
        if len(fitting) != 1:
            names = ", ".join(one.name for one in self._tools)
            raise PluginError(f"say which tool with name=...; there are: {names}")
        return fitting[0]

    async def _answer(self, call: ToolCall, schema: ToolSchema) -> bool:
        return self._approve


def call_tool(
    source: Tool | Path | str,
    arguments: Mapping[str, Any] | str = "",
    *,
    name: str = "",
    settings: Mapping[str, Any] | None = None,
    voices: VoiceSearch | None = None,
    language: str = "",
) -> ToolOutcome:
    """One call on a fresh ToolBench."""
    bench = ToolBench(source, settings=settings, voices=voices, language=language)
    return bench.call(arguments, name=name)


def _tools_in(path: Path) -> list[Tool]:
    found = load_file(path.resolve())
    if found.problems:
        raise found.problems[0]
    return found.tools


async def _no_wait(seconds: float) -> None:
    await checkpoint()


class RecordingTool:
    """A tool that records the `value` and the context of each call, and returns `result`."""

    def __init__(
        self, name: str = "record", result: Any = "done", *, side_effect: SideEffect = "none"
    ) -> None:
        self.values: list[str] = []
        self.contexts: list[ToolContext] = []

        @tool(name=name, side_effect=side_effect)
        async def record(context: ToolContext, value: str = "") -> Any:
            """Records the value."""
            self.values.append(value)
            self.contexts.append(context)
            return result

        self.tool: Tool = record


class SlowTool:
    """A tool that returns only once `release` is called.

    `blocking`: it holds a thread, and reads `context.cancelled` once released; otherwise it awaits.
    `runs` counts the calls that began; `cancelled` tells for each that ended whether it was
    cancelled.
    """

    def __init__(
        self,
        name: str = "wait",
        result: Any = "done",
        *,
        blocking: bool = False,
        side_effect: SideEffect = "none",
        timeout_s: float | None = None,
    ) -> None:
        self.runs = 0
        self.cancelled: list[bool] = []
        self._began = threading.Event()
        self._released = threading.Event()
        self._wake = anyio.Event()
        made = tool(name=name, side_effect=side_effect, timeout_s=timeout_s)

        def block(context: ToolContext) -> Any:
            """Waits in a thread."""
            self._begin()
            self._released.wait()
            self.cancelled.append(context.cancelled)
            return result

        async def wait(context: ToolContext) -> Any:
            """Waits in the event loop."""
            self._begin()
            try:
                await self._wake.wait()
            finally:
                self.cancelled.append(not self._wake.is_set())
            return result

        self.tool: Tool = made(block) if blocking else made(wait)

    async def began(self) -> None:
        """Returns once a call has begun."""
        await to_thread.run_sync(self._began.wait, abandon_on_cancel=True)

    def release(self) -> None:
        """Lets all calls return, later ones as well. Call it in the event loop's thread."""
        self._released.set()
        self._wake.set()

    def _begin(self) -> None:
        self.runs += 1
        self._began.set()


class FailingTool:
    """A tool that raises the errors, one per attempt, and then returns `result`."""

    def __init__(
        self,
        *errors: BaseException,
        name: str = "fail",
        result: Any = "done",
        side_effect: SideEffect = "none",
        blocking: bool = False,
    ) -> None:
        self.tries = 0
        left = iter(errors)

        def step() -> Any:
            self.tries += 1
            if error := next(left, None):
                raise error
            return result

        def block() -> Any:
            """Fails in a thread."""
            return step()

        async def wait() -> Any:
            """Fails in the event loop."""
            return step()

        made = tool(name=name, side_effect=side_effect)
        self.tool: Tool = made(block) if blocking else made(wait)
