"""Speech to text: pocketsphinx with the English model that comes with it.

Deterministic: the same sound gives the same text, whatever was heard before.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from assistant.audio.samples import Audio, Pcm16
from assistant.engines.embedded.asr_worker import Recogniser, RecogniserError
from assistant.errors import EngineError

SAMPLE_RATE = 16_000
_PEAK = 0.7  # the level that the acoustic model hears best
_SILENT_PEAK = 1e-3  # -60 dB: below this there is only noise to be raised
_LONGEST_S = 15.0  # a longer stretch of speech is cut at its quietest place
_MARGIN_S = 0.2  # kept around the speech: its first and last sound may be faint
_CLEAR = -0.6
"""Log likelihood per second above which the words are to be trusted. Measured: 55 English
sentences of a person and three synthesisers -0.28 to -0.56, five Mandarin ones -0.66 to -0.82."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said; empty where there was no speech.

    `clear` is False where the sound hardly fits the words: another language, or noise. `others`
    are further ways to hear it, the likeliest first; none where it was heard in several pieces.
    """

    text: str = ""
    clear: bool = True
    others: tuple[str, ...] = ()


class Hearing:
    """A pool of recognisers, each made when it is first needed (0.5 s); safe from any thread."""

    def __init__(self, size: int) -> None:
        self._free: queue.LifoQueue[Recogniser | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)

    def hear(self, sound: Audio, stop: threading.Event) -> Heard:
        """Everything said in the sound; nothing once `stop` is set. Raises EngineError."""
        samples = _prepared(sound)
        found: list[tuple[list[str], float]] = []
        seconds = 0.0
        for piece in _speech(samples):
            if stop.is_set():
                return Heard()
            with self._recogniser() as recogniser:
                texts, fit = recogniser.hear(piece.tobytes())
            if texts:
                found.append((texts, fit))
                seconds += len(piece) / SAMPLE_RATE
        text = " ".join(texts[0] for texts, _ in found)
        clear = not found or sum(fit for _, fit in found) / seconds > _CLEAR
        return Heard(text, clear, tuple(found[0][0][1:]) if len(found) == 1 else ())

    def warm_up(self) -> None:
        """All of them; waits until they listen. Raises EngineError."""
        noise = np.random.default_rng(0).normal(0, 300, SAMPLE_RATE // 4).astype(np.int16).tobytes()
        with ExitStack() as stack:
            for recogniser in [
                stack.enter_context(self._recogniser()) for _ in range(self._free.qsize())
            ]:
                recogniser.hear(noise)

    @contextmanager
    def _recogniser(self) -> Iterator[Recogniser]:
        recogniser = self._free.get()
        try:
            if recogniser is None:
                recogniser = Recogniser()
            yield recogniser
        except (RecogniserError, OSError) as error:
            recogniser = None  # the next one begins anew
            raise EngineError(f"the speech recogniser stopped: {error}") from error
        finally:
            self._free.put(recogniser)


def _prepared(sound: Audio) -> Pcm16:
    """16 kHz at the level that the model hears best; empty for silence."""
    samples = sound.resampled(SAMPLE_RATE).samples
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
