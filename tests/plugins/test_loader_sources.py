"""Settings of tools are checked, and installed packages add tools."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.config import PluginSettings, Settings
from assistant.errors import SettingsError
from assistant.plugins import LoadReport, load_tools

Write = Callable[[str, str], Path]
Load = Callable[..., LoadReport]

SAY = "from assistant.plugins import tool\n@tool\ndef say(word: str) -> str: 'Says.'; return word\n"

SETTINGS = '''from pydantic import BaseModel
from assistant.plugins import ToolContext, tool

class Greeting(BaseModel):
    word: str = "hello"

@tool(settings=Greeting)
def greet(context: ToolContext) -> str:
    """Greets."""
    return context.settings.word
'''


def test_a_tools_settings_are_checked_when_it_is_loaded(write: Write, load: Load) -> None:
    path = write("greet.py", SETTINGS)
    assert load(path).registry.get("greet").settings.word == "hello"  # type: ignore[union-attr]
    report = load(path, tools={"greet": {"word": "hi"}})
    assert report.registry.get("greet").settings.word == "hi"  # type: ignore[union-attr]
    with pytest.raises(SettingsError, match=r"'tools.greet.wrod'; did you mean 'word'\?"):
        load(path, tools={"greet": {"wrod": "hi"}})


def test_settings_for_an_unknown_tool_are_an_error(write: Write, load: Load) -> None:
    path = write("greet.py", SETTINGS)
    with pytest.raises(SettingsError, match=r"tools.gret: .*no such tool; did you mean 'greet'\?"):
        load(path, tools={"gret": {"word": "hi"}})


@pytest.mark.parametrize("table", ["allow", "deny"])
def test_a_misspelled_permission_is_an_error(write: Write, table: str) -> None:
    plugins = PluginSettings.model_validate({table: ("gret",), "entry_points": False})
    path = write("greet.py", SETTINGS)
    with pytest.raises(SettingsError, match=rf"plugins.{table}: gret: .*did you mean 'greet'\?"):
        load_tools(Settings(plugins=plugins), extra_folders=[path], bundled=False)


def test_settings_for_a_tool_in_a_broken_file_do_not_stop_the_rest(
    write: Write, load: Load
) -> None:
    write("broken.py", "1/0")
    path = write("greet.py", SETTINGS)
    report = load(path.parent, tools={"broken": {"word": "hi"}})
    assert report.registry.names == ("greet",)


@pytest.fixture
def package(write: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a package `my_tools` with the entry point given; its module holds `say`."""

    def install(entry: str, source: str) -> None:
        root = write("site/my_tools.py", source).parent
        write("site/my_tools-1.0.dist-info/METADATA", "Name: my-tools\nVersion: 1.0\n")
        write("site/my_tools-1.0.dist-info/entry_points.txt", f"[assistant.tools]\n{entry}\n")
        monkeypatch.syspath_prepend(str(root))
        monkeypatch.delitem(sys.modules, "my_tools", raising=False)

    return install


@pytest.mark.parametrize(
    "entry",
    [
        "all = my_tools",
        "one = my_tools:say",
        "list = my_tools:TOOLS",
        "a = my_tools\nb = my_tools:say",
    ],
)
def test_installed_packages_add_tools(
    package: Callable[[str, str], None], entry: str, load: Load
) -> None:
    package(entry, SAY + "\nTOOLS = [say]\n")
    report = load(entry_points=True)
    assert report.registry.names == ("say",)
    assert report.problems == ()
    assert load(entry_points=False).registry.names == ()


@pytest.mark.parametrize(
    ("entry", "source", "match"),
    [
        ("x = my_tools", "1/0", "entry point 'x' of my-tools: my_tools can't be imported: Zero"),
        ("x = my_tools", "raise SystemExit", "can't be imported: SystemExit"),
        ("x = my_tools", "y = 1", "my_tools holds no tool"),
        ("x = my_tools:y", "y = [1]", "my_tools:y holds no tool"),
        ("x = my_tools:z", "y = 1", "can't be imported: AttributeError"),
        (
            "x = my_tools",
            "from assistant.plugins import tool\n@tool\ndef f(x): 'Doc.'",
            "'x' has no type",
        ),
    ],
)
def test_a_broken_package_is_reported(
    package: Callable[[str, str], None],
    write: Write,
    entry: str,
    source: str,
    match: str,
    load: Load,
) -> None:
    package(entry, source)
    path = write("say.py", SAY)
    report = load(path, entry_points=True)
    assert match in str(report.problems[0])
    assert len(report.problems) == 1
    assert report.registry.names == ("say",)
