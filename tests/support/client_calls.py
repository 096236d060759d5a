"""Recorded questions and checks of speech, shared by the tests of other projects' clients.

The recordings are sent as fast as they are taken: the server counts time in samples. Only an answer
is waited for as long as it plays, since these clients count what was played of it by the clock.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import soundfile
import soxr

from tests.support.serving import Running

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 24_000
PATIENCE_S = 45
TOKYO = "what_time_is_it_in_tokyo.wav"
DICE = "roll_a_dice.wav"
TOKYO_TEXT = "what time is it in tokyo"
DICE_TEXT = "roll a dice with twenty sides"

QUIET_CLIENT = pytest.mark.filterwarnings("default")
"""Warnings inside a client are no fault of ours."""


class Says(str):
    """Equals every text that contains it."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in other


class Journal:
    """The callbacks of a client in order, to wait for."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._seen = 0
        self._more = anyio.Event()

    def add(self, event: Any) -> None:
        self.events.append(event)
        self._more.set()

    async def follow(self, stream: AsyncIterable[Any]) -> None:
        async for event in stream:
            self.add(event)

    async def until(self, done: Callable[[Any], bool]) -> Any:
        """Returns the next event that satisfies the condition."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                while self._seen < len(self.events):
                    self._seen += 1
                    if done(self.events[self._seen - 1]):
                        return self.events[self._seen - 1]
                self._more = anyio.Event()
                await self._more.wait()


@contextmanager
def foreign() -> Iterator[None]:
    """Ignores warnings during the import of a client: they are not errors of the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache
def speech(name: str, silence_s: float = 1.5) -> bytes:
    """A recorded question and the silence after it: 24 kHz, 16 bit, mono."""
    samples, rate = soundfile.read(EXAMPLES / name, dtype="float32")
    samples = soxr.resample(samples, rate, RATE)
    samples = np.concatenate([samples, np.zeros(int(silence_s * RATE), np.float32)])
    return (samples * 32767).astype("<i2").tobytes()


def pieces(name: str, seconds: float = 0.1) -> Iterator[bytes]:
    """Yields the same in pieces, as a microphone does."""
    data = speech(name)
    step = 2 * int(seconds * RATE)
    return (data[at : at + step] for at in range(0, len(data), step))


def seconds_of(audio: bytes | bytearray) -> float:
    return len(audio) / 2 / RATE


def check_speech(audio: bytes | bytearray) -> None:
    """Fails if the audio is too short or too quiet to be speech."""
    assert seconds_of(audio) > 0.5
    samples = np.frombuffer(bytes(audio), "<i2").astype(np.float32)
    assert np.sqrt(np.mean(np.square(samples))) > 300
    assert np.abs(samples).max() > 3_000


def check_tool_ran(server: Running, name: str) -> None:
    """Fails unless the tool of the server ran once."""
    assert server.metric("assistant_tool_calls_total", tool=name, outcome="ok") == 1.0


def complaints(records: list[logging.LogRecord]) -> list[str]:
    """Returns the warnings and errors that server and clients logged."""
    return [
        f"{record.name}: {record.getMessage()}"
        for record in records
        if record.levelno >= logging.WARNING
    ]
