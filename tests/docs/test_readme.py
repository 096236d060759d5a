"""What the README and the first pages say is true: tables are generated, commands and code run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "README.md").read_text("utf-8")
PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
EXECUTED = [TEXT] + [
    (REPOSITORY / "docs" / page).read_text("utf-8") for page in ("getting-started.md", "plugins.md")
]


def blocks(language: str) -> list[str]:
    """Returns the different blocks of code in the documents that are executed here."""
    found = (re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) for text in EXECUTED)
    return list(dict.fromkeys(block for text in found for block in text))


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]
CODE = blocks("python")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the reader has it: the examples, and the plugin of the README in my_tools/."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    (folder / "my_tools").mkdir()
    plugin = next(code for code in CODE if "def roll_dice" in code)
    assert len(plugin.strip().splitlines()) == 5
    (folder / "my_tools" / "dice.py").write_text(plugin, "utf-8")
    scripts = folder / "bin"
    scripts.mkdir()
    (scripts / "assistant").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m assistant "$@"\n')
    (scripts / "assistant").chmod(0o755)
    return folder


def run(command: list[str] | str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "XDG_DATA_HOME": str(folder / "data"),
    }
    return subprocess.run(
        command, shell=isinstance(command, str), cwd=folder, env=environment,
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_readme_succeeds(command: str, workplace: Path) -> None:
    done = run(command, workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", range(len(CODE)))
def test_each_piece_of_code_of_the_readme_runs(number: int, workplace: Path) -> None:
    file = workplace / f"test_code_{number}.py"
    file.write_text(CODE[number], "utf-8")
    is_test = "def test_" in CODE[number]
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if is_test else []
    done = run([sys.executable, *command, str(file)], workplace)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_generated_parts_are_up_to_date() -> None:
    done = run([sys.executable, str(REPOSITORY / "scripts" / "docs.py"), "--check"], REPOSITORY)
    assert done.returncode == 0, "run `make docs`"


def test_the_readme_can_be_read_in_five_minutes() -> None:
    assert len(TEXT.splitlines()) <= 200


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (REPOSITORY / "mkdocs.yml").read_text("utf-8").partition("nav:")[2]
    assert sorted(re.findall(r"(\S+\.md)$", navigation, re.MULTILINE)) == [p.name for p in PAGES]


def test_files_that_the_readme_links_to_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (REPOSITORY / target).exists(), target
