"""One run of atheris over one target, which goes on after a finding and ends at its time."""

from __future__ import annotations

import faulthandler
import hashlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import atheris

from fuzz.guard import HANG_S, Guard, Problem, memory
from fuzz.mutate import mutated
from fuzz.target import Target

WARM_UP = 500
"""Executions after which the growth of memory is measured."""
MAX_GROWTH = 512 * 2**20
"""Bytes that all executions together may take, libFuzzer's own corpus included."""


class Campaign:
    def __init__(self, target: Target, seconds: float, corpus: Path | None, findings: Path) -> None:
        self._target = target
        self._ends_at = time.monotonic() + seconds
        self._corpus = corpus or Path(tempfile.mkdtemp())
        self._folder = findings / target.name
        self._seeds = target.seeds()
        self._found: dict[str, int] = {}
        self._executions = 0
        self._warm = 0

    def run(self) -> None:
        """Fuzzes until the time is over, and ends the process."""
        self._corpus.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        for seed in self._seeds:
            (self._corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
        mutator = {"custom_mutator": self._mutate} if self._target.json_lines else {}
        with Guard(self._target) as guard:
            self._guard = guard
            atheris.Setup(self._arguments(), self._one, **mutator)
            atheris.Fuzz()

    def _arguments(self) -> list[str]:
        dictionary = self._folder / "tokens.dict"
        lines = (f'"{token.decode("ascii")}"\n' for token in self._target.tokens())
        dictionary.write_text("".join(lines), "ascii")
        return [
            sys.argv[0],
            str(self._corpus),
            f"-dict={dictionary}",
            f"-max_len={self._target.max_bytes}",
            f"-artifact_prefix={self._folder}/",
            "-timeout=0",  # the guard measures the time
            "-rss_limit_mb=3072",
            "-print_final_stats=1",
            "-verbosity=0",
        ]

    def _one(self, data: bytes) -> None:
        if not self._executions:  # libFuzzer's timer knows only its own limit; the guard has one
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.dump_traceback_later(20 * HANG_S, exit=True)  # code that takes no signals
        problem = self._guard.check(data)
        faulthandler.cancel_dump_traceback_later()
        self._executions += 1
        if problem is not None:
            self._record(problem, data)
        if self._executions == WARM_UP:
            self._warm = memory()
        if time.monotonic() > self._ends_at:
            self._end()

    def _mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        made = mutated(data, self._seeds, seed) if seed % 4 else atheris.Mutate(data, max_size)
        return made[:max_size] if len(made) > max_size else made

    def _record(self, problem: Problem, data: bytes) -> None:
        """Stores the first input of each finding."""
        count = self._found.get(problem.signature, 0)
        self._found[problem.signature] = count + 1
        if not count:
            path = self._folder / hashlib.sha1(data).hexdigest()[:12]
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(problem.text, "utf-8", "replace")
            print(f"FINDING {problem.signature!r}: {path}", flush=True)

    def _end(self) -> None:
        grown = memory() - self._warm if self._warm else 0
        if grown > MAX_GROWTH:
            self._found["memory of the whole run"] = 1
        print(
            f"{self._target.name}: {self._executions} executions, {len(self._found)} findings, "
            f"memory grew by {grown / 2**20:.0f} MiB"
        )
        for signature, count in self._found.items():
            print(f"  {count} x {signature!r}")
        sys.stdout.flush()
        os._exit(1 if self._found else 0)  # libFuzzer has no way to return
