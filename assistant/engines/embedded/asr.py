"""Speech recognition (ASR): pocketsphinx with the English model that comes with it.

Deterministic: the same audio gives the same text, whatever was recognized before.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.audio.samples import Audio, Pcm16
from assistant.engines.embedded.asr_worker import read_message, write_message
from assistant.errors import EngineError, RecognizerError

SAMPLE_RATE = 16_000
_PEAK = 0.7  # the level that the acoustic model recognizes best
_SILENT_PEAK = 1e-3  # -60 dB: below this there is only noise to be raised
_LONGEST_S = 15.0  # a longer stretch of speech is cut at its quietest place
_MARGIN_S = 0.2  # kept around the speech: its first and last audio may be faint
_CLEAR = -0.6
"""Log likelihood per second above which the words are to be trusted. Measured: 55 English
sentences of a person and three synthesizers -0.28 to -0.56, five Mandarin ones -0.66 to -0.82."""


PATIENCE_S = 10.0
"""How long a recognizer may take for no audio, in seconds; hundreds of times what it needs."""
GRACE_S = 2.0
"""How long a recognizer may go on after its caller has left, in seconds: killing it would cost the
next caller its start.
"""
_POLL_S = 0.1


class RecognizerProcess:
    """One recognizer in a process of its own, ready after 0.5 s; for one thread at a time.

    A thread of its own exchanges the messages, so that whoever waits for a process that hangs
    (stopped, swapped out, in a frozen cgroup) can give up: the process is killed then.
    """

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        command = [sys.executable, str(Path(__file__).with_name("asr_worker.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._patience_s = patience_s
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        exchange = (self._process, self._requests, self._replies)
        threading.Thread(target=_exchange, args=exchange, name="recognizer", daemon=True).start()
        self.close = weakref.finalize(self, _end, self._process, self._requests)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def transcribe(self, samples: bytes, stop: threading.Event) -> tuple[list[str], float]:
        """Returns the hypotheses, the likeliest first, and how well the audio fits them.

        `samples` are int16 at 16 kHz. The fit is a log likelihood, summed over seconds. Raises
        RecognizerError, and kills the process, if it has ended, if it takes longer than its
        patience (PATIENCE_S, and a fifth of it for each second of audio), or GRACE_S longer than
        `stop`.
        """
        seconds = len(samples) / 2 / SAMPLE_RATE
        deadline = time.monotonic() + self._patience_s * (1.0 + 0.2 * seconds)
        self._requests.put(samples)
        result = self._reply(deadline, stop)
        if result is None:
            hung = self._process.poll() is None
            self.close()
            status = self._process.returncode
            raise RecognizerError("it hung" if hung else f"it ended with the status {status}")
        texts, fit = json.loads(result)
        return texts, fit

    def _reply(self, deadline: float, stop: threading.Event) -> bytes | None:
        """Returns the reply; None if the process has ended or the deadline has passed."""
        while (left := deadline - time.monotonic()) > 0.0:
            with suppress(queue.Empty):
                return self._replies.get(timeout=min(left, _POLL_S))
            if stop.is_set():
                deadline = min(deadline, time.monotonic() + GRACE_S)
                stop = threading.Event()  # the deadline holds from here on
        return None


def _exchange(
    process: subprocess.Popen[bytes],
    requests: queue.SimpleQueue[bytes | None],
    replies: queue.SimpleQueue[bytes | None],
) -> None:
    """Sends each request and reads its reply, until the request None; None is a failed reply."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, suppress(OSError), process.stdin:
        while (samples := requests.get()) is not None:
            try:
                write_message(process.stdin, samples)
                replies.put(read_message(process.stdout))
            except (OSError, ValueError):  # a closed pipe raises either
                replies.put(None)


def _end(process: subprocess.Popen[bytes], requests: queue.SimpleQueue[bytes | None]) -> None:
    process.kill()
    requests.put(None)
    process.wait()


@dataclass(frozen=True, slots=True)
class Recognition:
    """The transcript of some audio; empty if there was no speech.

    `clear` is False if the audio hardly fits the words: another language, or noise. `others` are
    further hypotheses, the likeliest first; empty if the speech came in several pieces.
    """

    text: str = ""
    clear: bool = True
    others: tuple[str, ...] = ()


class SpeechRecognizer:
    """A pool of recognizer processes, started when they are needed (0.5 s); thread-safe."""

    def __init__(self, size: int, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._free: queue.LifoQueue[RecognizerProcess | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)

    def transcribe(self, audio: Audio, stop: threading.Event) -> Recognition:
        """Transcribes all speech in the audio; returns an empty one once `stop` is set.

        Raises EngineError if the process has ended or hangs; another one takes its place.
        """
        samples = _prepared(audio)
        found: list[tuple[list[str], float]] = []
        seconds = 0.0
        for piece in _speech(samples):
            if stop.is_set():
                return Recognition()
            with self._process(stop) as process:
                if process is None:
                    return Recognition()
                texts, fit = process.transcribe(piece.tobytes(), stop)
            if texts:
                found.append((texts, fit))
                seconds += len(piece) / SAMPLE_RATE
        text = " ".join(texts[0] for texts, _ in found)
        clear = not found or sum(fit for _, fit in found) / seconds > _CLEAR
        return Recognition(text, clear, tuple(found[0][0][1:]) if len(found) == 1 else ())

    def warm_up(self) -> None:
        """Starts all processes and waits until they are ready. Raises EngineError."""
        noise = np.random.default_rng(0).normal(0, 300, SAMPLE_RATE // 4).astype(np.int16).tobytes()
        never = threading.Event()
        with ExitStack() as stack:
            for process in [
                stack.enter_context(self._process(never)) for _ in range(self._free.qsize())
            ]:
                assert process is not None
                process.transcribe(noise, never)

    @contextmanager
    def _process(self, stop: threading.Event) -> Iterator[RecognizerProcess | None]:
        """Lends a process; waits for one that is free, and lends None if `stop` is set first."""
        while True:
            try:
                process = self._free.get(timeout=_POLL_S)
                break
            except queue.Empty:
                if stop.is_set():
                    yield None
                    return
        try:
            if process is None:
                process = RecognizerProcess(patience_s=self._patience_s)
            yield process
        except (RecognizerError, OSError) as error:
            process = None  # the next call starts another one
            raise EngineError(f"the speech process stopped: {error}") from error
        finally:
            self._free.put(process)


def _prepared(audio: Audio) -> Pcm16:
    """Returns 16 kHz at the level that the model expects; empty for silence."""
    samples = audio.resampled(SAMPLE_RATE).samples
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < _SILENT_PEAK:
        return np.zeros(0, np.int16)
    return Audio(samples * np.float32(_PEAK / peak), SAMPLE_RATE).to_pcm16()


def _speech(samples: Pcm16) -> Iterator[Pcm16]:
    """The stretches of speech in the samples, none longer than _LONGEST_S."""
    margin = int(_MARGIN_S * SAMPLE_RATE)
    for start_s, end_s in _stretches(samples):
        start = max(int(start_s * SAMPLE_RATE) - margin, 0)
        stretch = samples[start : int(end_s * SAMPLE_RATE) + margin]
        while len(stretch) > _LONGEST_S * SAMPLE_RATE:
            cut = _quietest(stretch)
            yield stretch[:cut]
            stretch = stretch[cut:]
        yield stretch


def _stretches(samples: Pcm16) -> Iterator[tuple[float, float]]:
    """Start and end in seconds of each stretch of speech (WebRTC's voice activity detector)."""
    from pocketsphinx import Endpointer

    endpointer = Endpointer(sample_rate=SAMPLE_RATE)
    raw, size = samples.tobytes(), endpointer.frame_bytes
    padding = b"\0" * (-len(raw) % size + size * 20)  # silence closes the last stretch
    raw += padding
    for offset in range(0, len(raw), size):
        speech = endpointer.process(raw[offset : offset + size])
        if speech is not None and not endpointer.in_speech:
            yield endpointer.speech_start, endpointer.speech_end


def _quietest(stretch: Pcm16) -> int:
    """A place to cut: the quietest 20 ms between half of the longest stretch and all of it."""
    longest, frame = int(_LONGEST_S * SAMPLE_RATE), SAMPLE_RATE // 50
    window = stretch[longest // 2 : longest].astype(np.float32)
    frames = window[: len(window) // frame * frame].reshape(-1, frame)
    return longest // 2 + int((frames**2).mean(axis=1).argmin()) * frame + frame // 2
