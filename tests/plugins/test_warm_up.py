"""Tools that have something to load do so at a server's start."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.config import PluginSettings, Settings
from assistant.plugins import load_tools

FILE = """
import assistant
BEGUN = []

def load() -> None:
    {body}

@assistant.tool(warm_up=load)
def first() -> str:
    "The first."
    return str(len(BEGUN))

@assistant.tool(warm_up=load)
def second() -> str:
    "The second."
    return ""
"""


def loaded(folder: Path, body: str) -> dict[str, object]:
    (folder / "slow.py").write_text(FILE.format(body=body), "utf-8")
    settings = Settings(plugins=PluginSettings(folders=(folder,), entry_points=False))
    registry = load_tools(settings).registry
    registry.warm_up()
    return {tool.name: tool for tool in registry}


def test_a_function_shared_by_two_tools_warms_up_once(tmp_path: Path) -> None:
    tools = loaded(tmp_path, "BEGUN.append(1)")
    assert tools["first"]() == "1"  # type: ignore[operator]


def test_a_tool_that_fails_to_warm_up_is_logged_and_can_still_be_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tools = loaded(tmp_path, "raise ValueError('no table')")
    assert tools["first"]() == "0"  # type: ignore[operator]
    assert "A tool can't warm up" in caplog.text
    assert "no table" in caplog.text
