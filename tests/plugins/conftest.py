"""What the tests of tools share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from assistant.config import PluginSettings, Settings
from assistant.messages import ToolCall
from assistant.plugins import (
    Caller,
    Dispatcher,
    LoadReport,
    Registry,
    Tool,
    ToolOutcome,
    load_tools,
)
from tests.support.tool_calls import tool_call

CALLER = Caller(session_id="s", turn_id="t")

Run = Callable[..., Awaitable[ToolOutcome]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a plugin file, and returns its path."""

    def write_file(name: str, source: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
        return path.resolve()

    return write_file


@pytest.fixture
def load() -> Callable[..., LoadReport]:
    """Loads the tools of these paths alone; keywords are settings."""

    def load_paths(*paths: Path, entry_points: bool = False, **settings: Any) -> LoadReport:
        plugins = PluginSettings(folders=paths, entry_points=entry_points)
        return load_tools(Settings(plugins=plugins, **settings), bundled=False)

    return load_paths


@pytest.fixture
def run() -> Run:
    """Runs a call to its outcome, the only one that is reported."""

    async def run_call(
        dispatcher: Dispatcher, call: ToolCall, caller: Caller = CALLER
    ) -> ToolOutcome:
        reports: list[ToolOutcome] = []
        await dispatcher.run(call, caller, reports.append)
        (outcome,) = reports
        return outcome

    return run_call


@pytest.fixture
def outcome_of(run: Run) -> Run:
    """Calls a tool without arguments, under these plugin settings; retries don't wait."""

    async def call_it(made: Tool, caller: Caller = CALLER, **settings: Any) -> ToolOutcome:
        sleep = settings.pop("sleep", no_wait)
        dispatcher = Dispatcher(Registry([made]), PluginSettings(**settings), sleep=sleep)
        return await run(dispatcher, tool_call(made), caller)

    return call_it


async def no_wait(seconds: float) -> None:
    await checkpoint()
