"""The paths, names, counts and bounds of docs/architecture.md are those of the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
INITS = sorted((REPOSITORY / "assistant").rglob("__init__.py"))

_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:assistant|tools|voices|tests|examples|benchmarks|scripts|docs)[/\w.-]*/.*|"
                   r"assistant/[\w/.-]+")  # fmt: skip
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*(?:\(\w+\))?")
_BOUND = re.compile(r"`([A-Za-z_][\w.]*(?:\(\w+\))?)` = ([\d.]+)")


def blocks() -> list[str]:
    """Returns the rows of tables, the items of lists and the paragraphs, each in one line."""
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    text = re.sub(r"\n(?=\||\d+\. |#)", "\n\n", text)
    return [" ".join(block.split()) for block in text.split("\n\n") if block.strip()]


def paths_in(text: str) -> list[str]:
    return [code for code in _CODE.findall(text) if _PATH.fullmatch(code)]


def names_in(text: str) -> list[str]:
    codes = [code for code in _CODE.findall(text) if not _PATH.fullmatch(code)]
    return [code for code in codes if _NAME.fullmatch(code)]


def section(title: str) -> str:
    """Returns the text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}.*?\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


# What a file defines: names to expressions, or to None if there is no value.

Names = dict[str, ast.expr | None]


@cache
def defined(path: str) -> Names:
    """Returns the names of a module: `f`, `f.inner`, `C.method`, `C.field`, `C(parameter)`, `X`."""
    if not path.endswith(".py"):
        return {}
    return dict(_defined(ast.parse((REPOSITORY / path).read_text("utf-8")), ""))


def _defined(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.expr | None]]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef(name=name):
                yield f"{prefix}{name}", None
                yield from _defined(child, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{prefix}{name}", None
                yield from _defined(child, f"{prefix}{name}.")
                if name == "__init__":
                    yield from _parameters(child, prefix.rstrip("."))
                    yield from ((f"{prefix}{field}", None) for field in _attributes(child))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield f"{prefix}{name}", value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                pairs = zip(names, values, strict=True)
                yield from ((f"{prefix}{n.id}", v) for n, v in pairs if isinstance(n, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                yield f"{prefix}{name}", value


def _parameters(
    function: ast.FunctionDef | ast.AsyncFunctionDef, owner: str
) -> Iterator[tuple[str, ast.expr | None]]:
    arguments = function.args
    defaults = [*[None] * (len(arguments.args) - len(arguments.defaults)), *arguments.defaults]
    pairs = [
        *zip(arguments.args, defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    yield from ((f"{owner}({argument.arg})", default) for argument, default in pairs)


def _attributes(function: ast.AST) -> set[str]:
    """Returns the attributes of `self` that are set in a method."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def is_in(name: str, path: str) -> bool:
    if path.endswith(".js"):
        return re.search(rf"\b{re.escape(name)}\b", (REPOSITORY / path).read_text()) is not None
    return name in defined(path)


def value_of(name: str, path: str) -> float:
    """Returns a constant, the default of a settings field or of a parameter."""
    if path.endswith(".js"):
        found = re.search(rf"const {name} = ([\d. *]+);", (REPOSITORY / path).read_text("utf-8"))
        assert found, f"{path} has no constant {name}"
        expression = ast.parse(found[1], mode="eval").body
    else:
        value = defined(path)[name]
        assert value is not None, f"{path}: {name} has no value"
        expression = value
    if isinstance(expression, ast.Call):  # Field(default=...)
        expression = next(k.value for k in expression.keywords if k.arg == "default")
    return float(number(expression))


def number(node: ast.expr) -> float:
    """Returns the value of a number, a product or a power."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return number(left) * number(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return float(number(left) ** number(right))
        case ast.BinOp(left=left, op=ast.LShift(), right=right):
            return float(int(number(left)) << int(number(right)))
    raise AssertionError(f"not a number: {ast.unparse(node)}")


BOUNDS = [
    (paths_in(block), name, float(value.rstrip(".")))
    for block in blocks()
    for name, value in _BOUND.findall(block)
]
WALKS = ("a", "b", "c", "d")


def walk(letter: str) -> tuple[str, list[str]]:
    """Returns the introduction of a walk, and its items."""
    introduction, _, items = section(f"({letter})").partition("\n1. ")
    return introduction, re.split(r"\n\d+\. ", items)


def files_in(items: list[str]) -> set[str]:
    return {path for item in items for path in paths_in(item)}


def test_each_path_on_the_page_exists() -> None:
    paths = {path for block in blocks() for path in paths_in(block)}
    assert len(paths) > 100
    assert [path for path in sorted(paths) if not (REPOSITORY / path).exists()] == []


def test_each_name_on_the_page_is_in_a_file_named_beside_it() -> None:
    everywhere = [
        str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("assistant/**/*.py")
    ]
    missing = []
    for block in blocks():
        files = [path for path in paths_in(block) if Path(path).suffix] or everywhere
        names = [name for name in names_in(block) if not any(is_in(name, path) for path in files)]
        missing += [(name, block[:60]) for name in names]
    assert missing == []


@pytest.mark.parametrize(("paths", "name", "bound"), BOUNDS, ids=[bound[1] for bound in BOUNDS])
def test_each_bound_on_the_page_is_that_of_the_code(
    paths: list[str], name: str, bound: float
) -> None:
    path = next(path for path in paths if is_in(name, path))
    assert value_of(name, path) == bound


def test_each_queue_of_the_diagram_has_a_row_in_order() -> None:
    text = section("2.")
    drawn = {int(number) for number in re.findall(r"\[(\d+)\]", text)}
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    assert rows == list(range(1, len(rows) + 1))
    assert drawn <= set(rows)


@pytest.mark.parametrize("letter", WALKS)
def test_each_walk_names_as_many_files_as_it_says(letter: str) -> None:
    introduction, items = walk(letter)
    assert len(files_in(items)) == int(re.findall(r"\*\*(\d+) files", introduction)[0])


@pytest.mark.parametrize("letter", WALKS)
def test_each_item_of_a_walk_is_one_file(letter: str) -> None:
    _, items = walk(letter)
    assert [item for item in items if len(set(paths_in(item))) != 1] == []


def test_the_walk_of_a_microphone_piece_says_where_the_decision_falls() -> None:
    introduction, items = walk("b")
    up_to, item = map(int, re.findall(r"(\d+) up to the decision \(item (\d+)\)", introduction)[0])
    assert "**the decision**" in items[item - 1]
    assert len(files_in(items[:item])) == up_to


def test_the_walk_of_a_completion_says_how_many_files_are_its_own() -> None:
    introduction, items = walk("d")
    own = [path for path in files_in(items) if path.startswith("assistant/server/chat/")]
    assert f"own {len(own)} lie in one folder" in introduction


def test_each_package_is_in_the_tree() -> None:
    packages = {str(path.parent.relative_to(REPOSITORY)) for path in INITS}
    assert packages - set(paths_in(section("1."))) == {"assistant"}


def test_the_import_tables_are_up_to_date() -> None:
    command = [sys.executable, str(REPOSITORY / "scripts" / "architecture.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "run `python scripts/architecture.py`"


def test_no_line_of_the_diagrams_is_wider_than_a_page() -> None:
    for diagram in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL):
        assert max(map(len, diagram.splitlines())) <= 100
