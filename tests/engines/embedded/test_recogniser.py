"""The recogniser's process: it leaves Python's lock alone, and may end at any time."""

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
from assistant.engines.embedded.asr import Hearing
from assistant.engines.embedded.asr_worker import Recogniser, RecogniserError
from assistant.errors import EngineError

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def question() -> Audio:
    return read_audio(EXAMPLES / "what_time_is_it_in_tokyo.wav", max_seconds=60)


def test_other_threads_go_on_while_it_listens(question: Audio) -> None:
    hearing = Hearing(1)
    hearing.hear(question, threading.Event())  # starts the process
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
    heard = hearing.hear(question, threading.Event())
    during = steps - before
    over.set()
    thread.join()
    assert heard.text == "what time is it in tokyo"
    assert during > 1_000  # a thread that has to wait for the lock comes to ten or so


def test_a_process_that_was_killed_is_one_clear_line_and_another_takes_its_place(
    question: Audio,
) -> None:
    hearing = Hearing(1)
    hearing.hear(question, threading.Event())
    (recogniser,) = hearing._free.queue
    assert recogniser is not None
    os.kill(recogniser.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="the speech recogniser stopped"):
        hearing.hear(question, threading.Event())
    assert hearing.hear(question, threading.Event()).text == "what time is it in tokyo"


def test_the_process_ends_with_its_owner(question: Audio) -> None:
    recogniser = Recogniser()
    pid = recogniser.pid
    assert recogniser.hear(b"") == ([], 0.0)
    del recogniser
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_no_sound_is_no_words_and_a_closed_one_hears_nothing() -> None:
    recogniser = Recogniser()
    assert recogniser.hear(b"") == ([], 0.0)
    recogniser.close()
    with pytest.raises(RecogniserError):
        recogniser.hear(b"\0" * 3_200)
