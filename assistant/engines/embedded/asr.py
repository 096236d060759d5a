"""Speech recognition (ASR): pocketsphinx with the English model that comes with it.

Deterministic: the same audio gives the same text, whatever was recognized before.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.audio.samples import Audio, Pcm16
from assistant.engines.embedded.asr_worker import read_message, write_message
from assistant.errors import EngineError, RecognizerError

SAMPLE_RATE = 16_000
_PEAK = 0.7  # the level that the acoustic model recognizes best
_SILENT_PEAK = 1e-3  # -60 dB: below this, gain only raises noise
_LONGEST_S = 15.0  # a longer stretch of speech is split at its quietest place
_MARGIN_S = 0.2  # of audio around the speech: its start and end may be faint
_CLEAR = -0.6
"""Log likelihood per second above which the words are to be trusted. Measured: 55 English
sentences of a person and three synthesizers -0.28 to -0.56, five Mandarin ones -0.66 to -0.82."""


class RecognizerProcess:
    """One recognizer in a process of its own, ready after 0.5 s; for one thread at a time."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("asr_worker.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.close = weakref.finalize(self, _end, self._process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def transcribe(self, samples: bytes) -> tuple[list[str], float]:
        """Returns the hypotheses, the likeliest first, and how well the audio fits them.

        The fit is a log likelihood, summed over seconds. Raises RecognizerError if the process has
        ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            write_message(self._process.stdin, samples)
            result = read_message(self._process.stdout)
        except (OSError, ValueError):  # a closed pipe raises either
            result = None
        if result is None:
            self.close()
            raise RecognizerError(f"it ended with the status {self._process.returncode}")
        texts, fit = json.loads(result)
        return texts, fit


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()  # waits, and closes the pipes


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

    def __init__(self, size: int) -> None:
        self._free: queue.LifoQueue[RecognizerProcess | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)

    def transcribe(self, audio: Audio, stop: threading.Event) -> Recognition:
        """Transcribes all speech in the audio; returns an empty one once `stop` is set.

        Raises EngineError if the process has ended.
        """
        samples = _prepared(audio)
        found: list[tuple[list[str], float]] = []
        seconds = 0.0
        for piece in _speech(samples):
            if stop.is_set():
                return Recognition()
            with self._process() as process:
                texts, fit = process.transcribe(piece.tobytes())
            if texts:
                found.append((texts, fit))
                seconds += len(piece) / SAMPLE_RATE
        text = " ".join(texts[0] for texts, _ in found)
        clear = not found or sum(fit for _, fit in found) / seconds > _CLEAR
        return Recognition(text, clear, tuple(found[0][0][1:]) if len(found) == 1 else ())

    def warm_up(self) -> None:
        """Starts all processes and waits until they are ready. Raises EngineError."""
        noise = np.random.default_rng(0).normal(0, 300, SAMPLE_RATE // 4).astype(np.int16).tobytes()
        with ExitStack() as stack:
            for process in [
                stack.enter_context(self._process()) for _ in range(self._free.qsize())
            ]:
                process.transcribe(noise)

    @contextmanager
    def _process(self) -> Iterator[RecognizerProcess]:
        process = self._free.get()
        try:
            if process is None:
                process = RecognizerProcess()
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
