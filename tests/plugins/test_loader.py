"""Tools come from files, folders and packages; broken ones are reported, the rest is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from assistant.config import PluginSettings, Settings
from assistant.errors import PluginError
from assistant.plugins import LoadReport, check_tools, load_tools
from assistant.testing import call_tool

Write = Callable[[str, str], Path]
Load = Callable[..., LoadReport]

GOOD = '''from assistant.plugins import tool

@tool
def {name}(word: str = "x") -> str:
    """Says a word."""
    return word
'''


def only_problem(report: LoadReport) -> PluginError:
    (problem,) = report.problems
    return problem


def test_a_file_dropped_into_a_folder_is_a_tool(write: Write, load: Load) -> None:
    path = write("say.py", GOOD.format(name="say"))
    report = load(path.parent)
    assert report.registry.names == ("say",)
    assert report.problems == ()
    assert call_tool(path, {"word": "hello"}).text == "hello"


def test_a_single_file_can_be_named(write: Write, load: Load) -> None:
    write("other.py", GOOD.format(name="other"))
    assert load(write("say.py", GOOD.format(name="say"))).registry.names == ("say",)


def test_folders_of_the_call_follow_those_of_the_settings(write: Write) -> None:
    one = write("one/z.py", GOOD.format(name="z"))
    two = write("two/a.py", GOOD.format(name="a"))
    settings = Settings(plugins=PluginSettings(folders=(one.parent,), entry_points=False))
    report = load_tools(settings, extra_folders=[two.parent], bundled=False)
    assert report.registry.names == ("z", "a")


def test_helpers_subfolders_and_other_files_are_ignored(write: Write, load: Load) -> None:
    write("_helper.py", "raise RuntimeError")
    write("deeper/below.py", "raise RuntimeError")
    write("notes.txt", "not Python")
    path = write("say.py", GOOD.format(name="say"))
    (path.parent / "folder.py").mkdir()
    report = load(path.parent)
    assert report.registry.names == ("say",)
    assert report.problems == ()


def test_the_same_file_twice_is_loaded_once(write: Write, load: Load) -> None:
    path = write("say.py", GOOD.format(name="say"))
    report = load(path.parent, path, path.parent / "." / "say.py")
    assert report.registry.names == ("say",)
    assert report.problems == ()


def test_a_changed_file_is_loaded_again_and_leaves_no_compiled_file(
    write: Write, load: Load
) -> None:
    path = write("say.py", GOOD.format(name="say"))
    assert load(path).registry.names == ("say",)
    write("say.py", GOOD.format(name="yas"))  # same size, same second
    assert load(path).registry.names == ("yas",)
    assert [file.name for file in path.parent.iterdir()] == ["say.py"]


def test_a_file_can_use_everything_that_looks_up_its_module(write: Write) -> None:
    source = '''from __future__ import annotations
import dataclasses
from assistant.plugins import ToolContext, tool

@dataclasses.dataclass
class Place:
    name: str
    height: int = 0

@tool
def climb(place: Place, context: ToolContext) -> str:
    """Climbs."""
    return f"{place.name} {place.height} {context.language}"
'''
    outcome = call_tool(write("climb.py", source), {"place": {"name": "K2"}}, language="ur")
    assert outcome.text == "K2 0 ur"


BROKEN = {
    "1/0\n": (1, "it can't be loaded: ZeroDivisionError: division by zero"),
    "x = 1\n\nimport no_such_module\n": (3, "ModuleNotFoundError: No module named"),
    "\n\ndef f(:\n": (3, "not valid Python: "),
    "import sys\nsys.exit(0)\n": (2, "it ends the program when loaded"),
    "def f():\n    raise OSError('no disk')\n\nf()\n": (2, "OSError: no disk"),
    "import json\n\njson.loads('{')\n": (3, "JSONDecodeError"),
    "exec(compile('def f(:', '<text>', 'exec'))\n": (1, "SyntaxError"),
    "x = '\\ud800'.encode()\n": (1, "UnicodeEncodeError"),
    "x = 1\n": (None, "there is no tool in it: mark a function with @tool"),
    "": (None, "there is no tool in it"),
    "from assistant.testing import call_tool\n": (None, "there is no tool in it"),
    "class Odd(BaseException): pass\nraise ExceptionGroup('g', [ValueError('v')])\n"
    if sys.version_info >= (3, 11)
    else "raise ValueError\n": (2 if sys.version_info >= (3, 11) else 1, "it can't be loaded"),
}


@pytest.mark.parametrize(("source", "expected"), BROKEN.items())
def test_a_broken_file_is_reported_by_line_and_the_rest_is_loaded(
    write: Write, source: str, expected: tuple[int | None, str], load: Load
) -> None:
    path = write("broken.py", source)
    write("say.py", GOOD.format(name="say"))
    modules = set(sys.modules)
    report = load(path.parent)
    problem = only_problem(report)
    line, text = expected
    assert (problem.path, problem.line) == (path, line)
    assert text in problem.message
    assert report.registry.names == ("say",)
    left = {name for name in set(sys.modules) - modules if name.startswith("assistant_plugin")}
    assert not any(name.endswith("_broken") for name in left) or line is None


def test_a_file_that_is_not_text_is_reported(tmp_path: Path, load: Load) -> None:
    path = tmp_path.resolve() / "bytes.py"
    path.write_bytes(b"x = '\xff\xfe'\n")
    assert "not valid Python" in only_problem(load(path)).message


def test_a_file_that_fails_after_its_tools_loads_none_of_them(write: Write, load: Load) -> None:
    report = load(write("late.py", GOOD.format(name="late") + "\n1/0\n"))
    assert report.registry.names == ()
    assert only_problem(report).line == 8


def test_all_problems_of_all_files_are_reported_at_once(write: Write) -> None:
    source = '''from assistant.plugins import tool

@tool
def first(x) -> str:
    return ""

@tool
def good() -> str:
    """Works."""
    return ""

@tool(side_effect="maybe")
def second() -> str:
    """Doc."""
    return ""
'''
    path = write("several.py", source)
    write("zero.py", "1/0")
    report = check_tools([path.parent])
    found = [(problem.path, problem.line) for problem in report.problems]
    zero = path.parent / "zero.py"
    assert found == [(path, 3), (path, 3), (path, 12), (zero, 1)]
    assert report.registry.names == ("good",)


def test_a_duplicate_name_is_reported_with_both_places(write: Write, load: Load) -> None:
    one = write("a.py", GOOD.format(name="say"))
    two = write("b.py", GOOD.format(name="say"))
    report = load(one.parent)
    assert f"{two}:3: the name 'say' is taken by the tool at {one}:3" in str(only_problem(report))
    assert report.registry.get("say").path == one  # type: ignore[union-attr]


def test_a_function_defined_twice_in_a_file_is_reported(write: Write, load: Load) -> None:
    path = write("twice.py", GOOD.format(name="say") + GOOD.format(name="say"))
    assert "is taken by" in str(only_problem(load(path)))


def test_a_missing_or_odd_path_is_reported(tmp_path: Path, write: Write, load: Load) -> None:
    text = write("notes.txt", "hello")
    report = load(tmp_path / "nowhere", text)
    assert [problem.message for problem in report.problems] == [
        f"{tmp_path / 'nowhere'}: no such file or folder",
        f"{text}: not a Python file",
    ]


@bounded(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_file_content_ends_in_one_report(tmp_path: Path, source: bytes, load: Load) -> None:
    path = tmp_path.resolve() / "any.py"
    path.write_bytes(source)
    report = load(path)
    assert report.problems
    assert all(problem.path == path for problem in report.problems)
