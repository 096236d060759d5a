"""`assistant tools list`, `check` and `run`, as a plugin author types them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.cli import tools
from assistant.errors import AssistantError

SOURCE = '''from typing import Annotated
from pydantic import BaseModel
from assistant.plugins import ToolContext, ToolError, tool

class Options(BaseModel):
    greeting: str = "hello"

@tool(side_effect="none", examples=["say hello"], settings=Options)
def say(context: ToolContext, word: Annotated[str, "What"], times: int = 1) -> dict[str, str]:
    """Says a word.

    More than once, if asked."""
    context.progress("thinking")
    return {"said": f"{context.settings.greeting} {word}" * times}

@tool(needs_approval=True)
def fail(why: str = "No luck.") -> str:
    """Fails."""
    raise ToolError(why)

@tool
def hostile() -> str:
    """Is hostile."""
    return "\\x1b[2Jwiped\\x07\\nnext"

@tool
def voice(context: ToolContext) -> str:
    """Names a voice."""
    return context.voices.get("awb").id if context.voices else "no voices"
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = (tmp_path / "say.py").resolve()
    path.write_text(
        SOURCE.replace("ToolError, tool", "tool\nfrom assistant.errors import ToolError", 1),
        "utf-8",
    )
    return path


def invoke(*words: object) -> Any:
    return CliRunner().invoke(tools.app, [str(word) for word in words])


def test_list_shows_each_tool_with_its_arguments(plugin: Path) -> None:
    result = invoke("list", "--tools", plugin.parent)
    assert result.exit_code == 0
    words = re.sub(r"\W+", " ", result.stdout)
    assert "say" in words
    assert "word" in words


def test_list_as_json_prints_only_json(plugin: Path) -> None:
    broken = plugin.parent / "broken.py"
    broken.write_text("1/0", "utf-8")
    result = invoke("list", "--tools", plugin.parent, "--json")
    assert result.exit_code == 0
    listed = {entry["name"]: entry for entry in json.loads(result.stdout)}
    assert listed["say"]["parameters"]["properties"]["word"] == {
        "type": "string",
        "description": "What",
    }
    assert listed["say"]["examples"] == ["say hello"]
    assert (listed["fail"]["needs_approval"], listed["fail"]["side_effect"]) == (True, "once")
    assert f"{broken.resolve()}:1: it can't be loaded: ZeroDivisionError" in result.stderr


def test_check_of_a_valid_file_shows_what_the_model_will_read(plugin: Path) -> None:
    result = invoke("check", plugin)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "say: word (string, required), times (integer)" in result.stdout
    assert "hostile: no arguments" in result.stdout


def test_check_reports_every_problem_of_every_file(plugin: Path) -> None:
    one = plugin.parent / "one.py"
    one.write_text("from assistant.plugins import tool\n@tool\ndef f(x, y):\n    pass\n", "utf-8")
    two = plugin.parent / "two.py"
    two.write_text("def (:\n", "utf-8")
    result = invoke("check", plugin, one, two, plugin.parent / "missing")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        *[f"{one.resolve()}:2"] * 3,
        f"{two.resolve()}:1",
        f"{plugin.parent / 'missing'}",
    ]
    assert "say: word" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["word=world"], "hello world"),
        (["word=world", "times=2"], "hello worldhello world"),
        (["word=1e5"], "hello 1e5"),
        (["word=null"], "hello null"),
        (["word=a=b"], "hello a=b"),
    ],
)
def test_run_prints_the_answer(plugin: Path, arguments: list[str], said: str) -> None:
    result = invoke("run", "say", *arguments, "--tools", plugin)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"said": said}
    assert "thinking" in result.stderr


def test_run_as_json_prints_the_outcome(plugin: Path) -> None:
    result = invoke("run", "say", "word=x", "--tools", plugin, "--json")
    outcome = json.loads(result.stdout)
    assert outcome.pop("seconds") >= 0
    assert outcome == {
        "name": "say",
        "outcome": "ok",
        "text": '{"said":"hello x"}',
        "data": {"said": "hello x"},
        "voice": None,
        "attempts": 1,
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fail"], "No luck."),
        (["say"], "word is missing"),
        (["say", "word=x", "times=often"], "times: input should be a valid integer"),
    ],
)
def test_run_explains_a_failed_call_and_exits_with_status_1(
    plugin: Path, words: list[str], said: str
) -> None:
    result = invoke("run", *words, "--tools", plugin)
    assert result.exit_code == 1
    assert said in result.stdout


def test_tool_output_cannot_send_control_codes_to_the_terminal(plugin: Path) -> None:
    result = invoke("run", "hostile", "--tools", plugin)
    assert result.stdout == "\ufffd[2Jwiped\ufffd\nnext\n"


def test_run_reads_the_settings_of_a_file(plugin: Path) -> None:
    file = plugin.parent / "other.toml"
    file.write_text('[tools.say]\ngreeting = "hi"\n', "utf-8")
    result = invoke("run", "say", "word=x", "--tools", plugin, "--settings", file)
    assert "hi x" in result.stdout


def test_run_passes_the_voice_library_to_the_tool(plugin: Path) -> None:
    assert invoke("run", "voice", "--tools", plugin).stdout == "awb\n"


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["run", "sey"], r"there is no tool 'sey' \(did you mean 'say'\?\)"),
        (["run", "say", "--settings", "none.toml"], "none.toml: can't be read"),
    ],
)
def test_a_usage_error_is_one_line(plugin: Path, words: list[str], match: str) -> None:
    result = invoke(*words, "--tools", plugin)
    assert isinstance(result.exception, AssistantError)
    assert re.search(match, str(result.exception))


def test_an_argument_without_a_value_is_refused(plugin: Path) -> None:
    result = invoke("run", "say", "word", "--tools", plugin)
    assert result.exit_code == 2
    assert "not of the form key=value" in re.sub(r"[^\w=' ]+", "", " ".join(result.stderr.split()))
