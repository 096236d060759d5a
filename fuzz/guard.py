"""Runs a target on one input at a time, and tells what is wrong with it."""

from __future__ import annotations

import signal
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from fuzz.target import Run, Target

HANG_S = 5.0
"""An input that takes longer is a hang, in seconds."""
MAX_GROWTH = 64 * 2**20
"""Bytes of memory that an input may take at most, at its peak."""
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Hang(BaseException):
    """An input took too long. Not an Exception, so that no handler of the project takes it."""


@dataclass(frozen=True)
class Problem:
    """`signature` tells problems apart: the exception and the place that raised it."""

    signature: str
    text: str


class Guard:
    """A target that is open. Must be used in the main thread, which takes the signal of a hang."""

    def __init__(self, target: Target, *, hang_s: float = HANG_S) -> None:
        self.target = target
        self._hang_s = hang_s
        self._stack = ExitStack()
        self._run: Run

    def __enter__(self) -> Guard:
        self._run = self._stack.enter_context(self.target.open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        self._stack.close()

    def check(self, data: bytes) -> Problem | None:
        """Runs one input; a hang counts if it happens twice."""
        problem = self._try(data)
        if problem is not None and problem.signature.startswith("Hang"):
            self._reopen()
            problem = self._try(data)
        return problem

    def _reopen(self) -> None:
        with suppress(Exception):
            self._stack.close()
        self._stack = ExitStack()
        self._run = self._stack.enter_context(self.target.open())

    def _try(self, data: bytes) -> Problem | None:
        before = _start_peak()
        previous = signal.signal(signal.SIGALRM, _on_alarm)
        timer = signal.setitimer(signal.ITIMER_REAL, self._hang_s)
        try:
            self._run(data)
        except self.target.allowed:
            pass
        except (Exception, Hang) as error:  # noqa: BLE001 - any of them is the finding
            return _problem(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
            signal.setitimer(signal.ITIMER_REAL, *timer)  # a test runner may have one
        grown = memory("VmHWM") - before
        if before and grown > MAX_GROWTH:
            return Problem("Memory", f"{len(data)} bytes of input took {grown / 2**20:.0f} MiB")
        return None


def memory(field: str = "VmRSS") -> int:
    """Returns a figure of this process's memory, in bytes; 0 if the system does not tell."""
    with suppress(OSError):
        for line in _STATUS.read_text("ascii").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def _start_peak() -> int:
    """Starts the measurement of a new peak; returns the memory in use, 0 if it can't be told."""
    try:
        _CLEAR.write_text("5", "ascii")
    except OSError:
        return 0
    return memory()


def _on_alarm(number: int, frame: FrameType | None) -> None:
    raise Hang("it took too long")


def _problem(error: BaseException) -> Problem:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "assistant" in Path(frame.filename).parts] or frames
    last = own[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    text = "".join(traceback.format_exception(error))
    return Problem(f"{type(error).__name__} {place} {str(error)[:60]}", text)
