"""The bench runs a tool as the assistant would, in a plain test without any event loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from assistant.audio.voice import Voice, VoiceMatch
from assistant.config import PluginSettings
from assistant.errors import PluginError, SettingsError, ToolError
from assistant.plugins import ToolContext, ToolResult, tool
from assistant.testing import FailingTool, RecordingTool, ToolBench, call_tool


class Voices:
    def search(self, text: str, *, language: str = "", limit: int = 5) -> list[VoiceMatch]:
        return [VoiceMatch(self.get(text), 1.0)]

    def get(self, voice_id: str) -> Voice:
        return Voice(voice_id)


class Greeting(BaseModel):
    word: str = "hello"


@tool(settings=Greeting, needs_approval=True)
def greet(context: ToolContext, who: str) -> ToolResult:
    """Greets."""
    context.progress("looking")
    assert context.voices is not None
    voice = context.voices.search(who)[0].voice
    return ToolResult(f"{context.settings.word} {who}", data=context.language, voice=voice.id)


def test_a_call_gets_settings_voices_and_language() -> None:
    bench = ToolBench(greet, settings={"word": "hi"}, voices=Voices(), language="en")
    outcome = bench.call({"who": "Ada"})
    assert (outcome.outcome, outcome.text) == ("ok", "hi Ada")
    assert (outcome.data, outcome.voice) == ("en", "Ada")
    assert bench.progress == ["looking"]


def test_an_approval_can_be_refused() -> None:
    assert ToolBench(greet, approve=False).call({"who": "Ada"}).outcome == "denied"


def test_wrong_settings_are_an_error_of_the_test() -> None:
    with pytest.raises(SettingsError, match="did you mean 'word'"):
        call_tool(greet, {"who": "Ada"}, settings={"wrod": "hi"})


def test_a_file_with_several_tools_needs_a_name(tmp_path: Path) -> None:
    source = "from assistant.plugins import tool\n" + "".join(
        f"@tool\ndef {name}() -> str:\n    'Doc.'\n    return '{name}'\n" for name in ("a", "b")
    )
    path = tmp_path / "two.py"
    path.write_text(source, "utf-8")
    assert call_tool(path, name="b").text == "b"
    with pytest.raises(PluginError, match=r"say which tool with name=\.\.\.; there are: a, b"):
        call_tool(str(path))


def test_a_broken_file_is_an_error_of_the_test(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("1/0", "utf-8")
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        call_tool(path)


def test_retries_follow_each_other_without_a_wait() -> None:
    busy = ToolError("busy", transient=True)
    failing = FailingTool(*[busy] * 10, result="at last")
    outcome = ToolBench(failing.tool, limits=PluginSettings(retries=10, timeout_s=60)).call()
    assert (outcome.text, outcome.attempts, failing.tries) == ("at last", 11, 11)


def test_a_recording_tool_stores_its_arguments() -> None:
    recording = RecordingTool(result={"n": 1})
    assert call_tool(recording.tool, {"value": "x"}, language="de").data == {"n": 1}
    assert recording.values == ["x"]
    assert recording.contexts[0].language == "de"
