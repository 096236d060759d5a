"""What a target does wrong is found, and what it may do is not."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext

import pytest

from assistant.errors import SettingsError
from fuzz.guard import Guard
from fuzz.mutate import mutated
from fuzz.target import Run, Target


def found(run: Run, *, hang_s: float = 5.0) -> str:
    """Returns the signature of the problem with an input; empty if there is none."""
    target = Target("t", lambda: [b"x"], lambda: nullcontext(run), (SettingsError,))
    with Guard(target, hang_s=hang_s) as guard:
        problem = guard.check(b"x")
    return problem.signature if problem else ""


def raising(error: Exception) -> Run:
    def run(data: bytes) -> None:
        raise error

    return run


def test_an_error_that_is_not_documented_is_a_finding() -> None:
    assert found(raising(KeyError("k"))).startswith("KeyError test_guard.py:")
    assert found(raising(SettingsError("wrong"))) == ""


def test_an_input_that_takes_too_long_is_a_finding() -> None:
    def run(data: bytes) -> None:
        while True:
            pass

    assert found(run, hang_s=0.05).startswith("Hang")


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux tells the peak of memory"
)
def test_an_input_that_takes_too_much_memory_is_a_finding() -> None:
    assert found(lambda data: bytearray(2**28).clear()) == "Memory"


def test_lines_of_json_stay_json_when_they_are_mutated() -> None:
    seeds = [b'{"a": [1, {"b": null}]}\n{"c": "d"}', b"[]"]
    made = [mutated(seeds[0], seeds, seed) for seed in range(300)]
    assert made == [mutated(seeds[0], seeds, seed) for seed in range(300)]
    assert len(set(made)) > 100
    for line in {line for text in made for line in text.split(b"\n")}:
        try:
            json.loads(line)
        except json.JSONDecodeError as error:
            pytest.fail(f"{error}: {line!r}")
        except ValueError:  # an integer of too many digits
            pass
