"""The recognizer's process runs without Python's lock, and may end at any time."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.engines.embedded.asr import RecognizerProcess, SpeechRecognizer
from assistant.errors import EngineError, RecognizerError

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def question() -> Audio:
    return read_audio(EXAMPLES / "what_time_is_it_in_tokyo.wav", max_seconds=60)


def test_other_threads_run_while_audio_is_transcribed(question: Audio) -> None:
    recognizer = SpeechRecognizer(1)
    recognizer.transcribe(question, threading.Event())  # starts the process
    over = threading.Event()
    steps = 0

    def count() -> None:
        nonlocal steps
        while not over.is_set():
            time.sleep(0)
            steps += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = steps
    transcription = recognizer.transcribe(question, threading.Event())
    during = steps - before
    over.set()
    thread.join()
    assert transcription.text == "what time is it in tokyo"
    assert during > 1_000  # a thread that waits for the lock gets about ten


def test_a_killed_process_is_one_clear_error_and_is_replaced(
    question: Audio,
) -> None:
    recognizer = SpeechRecognizer(1)
    recognizer.transcribe(question, threading.Event())
    (process,) = recognizer._free.queue
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="the speech process stopped"):
        recognizer.transcribe(question, threading.Event())
    assert recognizer.transcribe(question, threading.Event()).text == "what time is it in tokyo"


def test_the_process_ends_with_its_owner(question: Audio) -> None:
    process = RecognizerProcess()
    pid = process.pid
    assert process.transcribe(b"", threading.Event()) == ([], 0.0)
    del process
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_no_audio_has_no_words_and_a_closed_process_raises() -> None:
    process = RecognizerProcess()
    assert process.transcribe(b"", threading.Event()) == ([], 0.0)
    process.close()
    with pytest.raises(RecognizerError):
        process.transcribe(b"\0" * 3_200, threading.Event())


def test_a_process_that_hangs_is_killed_at_its_deadline_and_replaced(question: Audio) -> None:
    recognizer = SpeechRecognizer(1, patience_s=5.0)
    recognizer.transcribe(question, threading.Event())
    (process,) = recognizer._free.queue
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(EngineError, match="the speech process stopped: it hung"):
        recognizer.transcribe(question, threading.Event())
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    assert recognizer.transcribe(question, threading.Event()).text == "what time is it in tokyo"


def test_a_caller_that_leaves_does_not_wait_for_a_process_that_hangs(question: Audio) -> None:
    recognizer = SpeechRecognizer(1)
    recognizer.transcribe(question, threading.Event())
    (process,) = recognizer._free.queue
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    stop = threading.Event()
    stop.set()
    with pytest.raises(EngineError, match="it hung"):
        process_of(recognizer, question, stop)


def process_of(recognizer: SpeechRecognizer, question: Audio, stop: threading.Event) -> None:
    """Transcribes with a caller that leaves after the transcription has begun."""
    with recognizer._process(stop) as process:
        assert process is not None
        process.transcribe(question.to_pcm16().tobytes(), stop)


def test_a_caller_that_leaves_does_not_wait_for_a_free_process(question: Audio) -> None:
    recognizer = SpeechRecognizer(1)
    stop = threading.Event()
    with recognizer._process(threading.Event()):
        waiting = threading.Thread(target=recognizer.transcribe, args=(question, stop))
        waiting.start()
        stop.set()
        waiting.join(30)
        assert not waiting.is_alive()
