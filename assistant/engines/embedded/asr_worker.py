"""pocketsphinx, in a process of its own.

While it listens, for a tenth of the sound's length and more, it keeps Python's lock: in the same
process no other thread would move meanwhile, no call, no stream, and only one core could listen.

This file is the process too. It is run as a script, and imports nothing of the package: it starts
the faster. Each way a message is its length in four bytes, then it; sound goes in as int16 at
16 kHz, JSON comes back.
"""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import subprocess
import sys
import weakref
from itertools import islice
from typing import IO, Any

_LENGTH = struct.Struct("<I")
_OTHERS = 15  # readings besides the best


class RecogniserError(Exception):
    """The process has ended."""


class Recogniser:
    """One process; started at once, ready after half a second. For one thread at a time."""

    def __init__(self) -> None:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.close = weakref.finalize(self, _end, self._process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def hear(self, samples: bytes) -> tuple[list[str], float]:
        """The likeliest words first, and how well the sound fits them (log, summed over seconds).

        Raises RecogniserError.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            _write(self._process.stdin, samples)
            answer = _read(self._process.stdout)
        except (OSError, ValueError):  # a closed pipe is the one or the other
            answer = None
        if answer is None:
            self.close()
            raise RecogniserError(f"it ended with the status {self._process.returncode}")
        texts, fit = json.loads(answer)
        return texts, fit


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()  # waits, and closes the pipes


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes | None:
    """The next message; None where there is none any more."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    return data if len(data) == length else None


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its input does
    if hasattr(os, "nice"):
        os.nice(10)  # it keeps a core busy: sound that is due somewhere goes first
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16_000.0, loglevel="FATAL", cmn="batch")
    while (samples := _read(sys.stdin.buffer)) is not None:
        _write(sys.stdout.buffer, json.dumps(_decode(decoder, samples)).encode())


def _decode(decoder: Any, samples: bytes) -> tuple[list[str], float]:
    if not samples:
        return [], 0.0
    decoder.reinit_feat()  # forget the level and noise of what was heard before
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
    best = decoder.hyp()
    if best is None or not best.hypstr.strip():
        return [], 0.0
    others = (one.hypstr for one in islice(decoder.nbest(), 2 * _OTHERS) if one and one.hypstr)
    texts = list(dict.fromkeys(text.strip() for text in (best.hypstr, *others)))[: _OTHERS + 1]
    # `prob`, the posterior among other word sequences, falls with the length: it weighs little.
    return texts, _log(best.best_score) + 0.03 * min(_log(best.prob), 0.0)


def _log(value: float) -> float:
    return math.log(max(value, 1e-300))


if __name__ == "__main__":
    del sys.path[0]  # this folder: its names are not for everyone
    _main()
