"""The speech recognizer's process: pocketsphinx, run as a script by asr.py.

pocketsphinx holds Python's global lock while it decodes, for a tenth of its audio's length:
in the main process it would stop all other threads, and use one core only.

This file imports nothing of the package, so that the process starts faster. Every message is its
length in four bytes and its bytes: audio comes in as int16 at 16 kHz, JSON goes out.
"""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import sys
from itertools import islice
from typing import IO, Any

_LENGTH = struct.Struct("<I")
_OTHERS = 15  # hypotheses besides the best


def write_message(pipe: IO[bytes], data: bytes) -> None:
    """Writes one message: its length as four bytes, little-endian, and its bytes."""
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def read_message(pipe: IO[bytes]) -> bytes | None:
    """Returns the next message, or None at the end of the pipe."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    return data if len(data) == length else None


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its input does
    if hasattr(os, "nice"):
        os.nice(10)  # it keeps a core busy, and sending audio must come first
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16_000.0, loglevel="FATAL", cmn="batch")
    while (samples := read_message(sys.stdin.buffer)) is not None:
        write_message(sys.stdout.buffer, json.dumps(_decode(decoder, samples)).encode())


def _decode(decoder: Any, samples: bytes) -> tuple[list[str], float]:
    if not samples:
        return [], 0.0
    decoder.reinit_feat()  # forget the level and noise of the audio before
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
    del sys.path[0]  # this folder has module names that must not be importable
    _main()
