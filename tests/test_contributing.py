"""The checks that CONTRIBUTING.md names exist, and test folders mirror the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
# Folders for tests of several parts at once, and for helpers.
OTHERS = {"browser", "clients", "golden", "support"}


def missing_tests(text: str) -> list[str]:
    """Returns the `path` and `path::test` of a text that do not exist."""
    missing = []
    for name in re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", text):
        path, _, test = name.partition("::")
        file = REPOSITORY / path
        functions = ast.walk(ast.parse(file.read_text("utf-8"))) if file.exists() else ()
        if not file.exists() or (test and test not in {getattr(f, "name", "") for f in functions}):
            missing.append(name)
    return missing


def test_every_test_that_the_page_names_exists() -> None:
    assert len(re.findall(r"`tests/[\w/]+\.py::\w+`", TEXT)) > 10
    assert missing_tests(TEXT) == []


def test_a_named_test_that_does_not_exist_is_found() -> None:
    absent = "tests/test_contributing.py::test_absent"
    assert missing_tests(f"`{absent}` `tests/none.py`") == [absent, "tests/none.py"]


def test_test_folders_mirror_the_code() -> None:
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(REPOSITORY / "tests")
        if folder.parts and folder.parts[0] not in OTHERS:
            places = (REPOSITORY / "assistant" / folder, REPOSITORY / folder)
            assert any(place.is_dir() for place in places), f"{path} tests nothing of that name"
