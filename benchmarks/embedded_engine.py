"""How fast the embedded engine is: python benchmarks/embedded_engine.py  (prints JSON)

Each figure is the median of several runs after a first, cold one. Compared in the same run:
sentence by sentence against the whole answer at once, and the library in this process against the
espeak-ng command line.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import numpy as np

from assistant.audio.decode import read_audio
from assistant.audio.samples import OUTPUT_RATE
from assistant.audio.voice import Voice
from assistant.config import Settings
from assistant.engines import create_engine
from assistant.engines.base import EngineRequest, Speech
from assistant.engines.embedded.asr import SpeechRecognizer
from assistant.engines.embedded.planner import plan
from assistant.engines.embedded.synthesis import speak
from assistant.messages import ToolSchema, UserMessage

QUESTION = Path(__file__).parent.parent / "examples" / "what_time_is_it_in_tokyo.wav"
ANSWER = (
    "The weather in Lisbon. It is nineteen degrees now, with a light wind from the north west."
    " Tomorrow will be sunny, with up to twenty four degrees in the afternoon. On Sunday there may"
    " be some rain in the morning. After that it stays dry until the end of the week, and the"
    " nights get a little colder."
)
UTTERANCES = (
    "what time is it in tokyo",
    "set the pump 7 to fifty",
    "please set the pump 7 to fifty and tell me about the great wall",
    "i am so tired today",
)


def seconds(work: Callable[[], object], runs: int = 7) -> float:
    """The median of `runs` runs, after one that is not counted."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def tools(count: int) -> list[ToolSchema]:
    """A search, and gadgets that differ in a word."""
    search = ToolSchema(
        "web_search",
        "Searches the web.",
        {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
        ("search the web for cheap flights", "tell me about marie curie", "who is the president"),
    )
    level = {"type": "object", "properties": {"level": {"type": "integer"}}}
    names = ("pump", "valve", "heater", "fan", "door", "lamp", "oven", "gate", "blind", "radio")
    return [search] + [
        ToolSchema(f"set_{names[n % 10]}_{n}", f"Sets {names[n % 10]} {n} to a level.", level,
                   (f"set the {names[n % 10]} {n} to ten", f"turn up {names[n % 10]} {n}"))
        for n in range(count - 1)
    ]  # fmt: skip


def first_audio(*parts: object) -> tuple[float, float]:
    """Seconds to the first audio of an answer: at the first call of an engine, and once warm."""

    async def run() -> tuple[float, float]:
        engine, times = create_engine(Settings(engine="embedded")), []
        for _ in range(8):
            request = EngineRequest([UserMessage(parts)], tools(10))  # type: ignore[arg-type]
            start = time.perf_counter()
            async for output in engine.stream(request, engine.new_state()):
                if isinstance(output, Speech):
                    times.append(time.perf_counter() - start)
                    break
        return times[0], statistics.median(times[1:])

    return anyio.run(run)


def first_sentence() -> None:
    next(item for item in speak(ANSWER, Voice(), threading.Event()) if isinstance(item, Speech))


def whole_answer() -> np.ndarray:
    items = speak(ANSWER, Voice(), threading.Event())
    return np.concatenate([item.samples for item in items if isinstance(item, Speech)])


def command_line() -> None:
    subprocess.run(["espeak-ng", "--stdout", ANSWER], check=True, capture_output=True)


def planning_ms(count: int) -> float:
    given = tools(count)
    return 1000 * seconds(lambda: [plan(one, given) for one in UTTERANCES]) / len(UTTERANCES)


def main() -> None:
    # First, while nothing is loaded.
    text_cold, text_warm = first_audio("hello there, how are you doing with all of this")
    pcm, recognizer = read_audio(QUESTION, max_seconds=60), SpeechRecognizer(1)
    spoken = len(whole_answer()) / OUTPUT_RATE
    audio_cold, audio_warm = first_audio(pcm)
    whole = seconds(whole_answer)
    result = {
        "first_audio_s": {
            "text_cold": text_cold, "text": text_warm,
            "spoken_question_cold": audio_cold, "spoken_question": audio_warm,
        },
        "hearing_real_time_factor":
            seconds(lambda: recognizer.transcribe(pcm, threading.Event())) / pcm.seconds,
        "speaking": {
            "answer_s": spoken,
            "real_time_factor": whole / spoken,
            "first_sentence_s": seconds(first_sentence),
            "alternative_whole_answer_first_s": whole,
            "alternative_command_line_s":
                seconds(command_line) if shutil.which("espeak-ng") else None,
        },
        "planning_ms_per_utterance": {str(count): planning_ms(count) for count in (10, 200)},
    }  # fmt: skip
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
