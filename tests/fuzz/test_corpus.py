"""Each target withstands its seeds, and the inputs that once broke it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from fuzz.guard import Guard
from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_withstands_its_seeds_and_corpus(name: str) -> None:
    target = TARGETS[name]
    files = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    with Guard(target) as guard:
        for data in itertools.chain(target.seeds(), files, (b"", b"\0", b"\xff" * 9, b"{}")):
            problem = guard.check(data)
            assert problem is None, f"{data[:200]!r}: {problem.text}"


def test_every_file_of_the_corpus_belongs_to_a_target_and_is_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= set(TARGETS)
    assert all(path.stat().st_size <= 8_192 for path in files)
