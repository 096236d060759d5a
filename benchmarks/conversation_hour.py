"""An hour of conversation with the embedded engine, as fast as this machine allows.

    python benchmarks/conversation_hour.py [--minutes 60]

Prints JSON. The audio is real (a recorded question, over and over, with noise, coughs and
interruptions), the detector, the engine and the tools too; only the clock is moved by hand, and
waits while a response is generated. `resident_mb` is what the process holds every ten minutes of
conversation, `tasks` and `threads` what runs: flat is what they should be. `history_mb` is what the
conversation itself remembers, words and the last recordings. The obvious alternative, in the same
run: all recordings kept, `recordings_mb`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from assistant import Assistant, Audio, Settings
from assistant.audio.decode import read_audio
from assistant.audio.samples import Pcm16
from assistant.config import LibrarySettings
from assistant.live.conversation import LiveConversation
from assistant.live.events import ResponseEnded, UserTurn
from assistant.live.lead_ins import LeadIns
from assistant.live.phrase_cache import PhraseCache
from assistant.messages import UserMessage
from assistant.testing import ManualClock

EXAMPLES = Path(__file__).parent.parent / "examples"
RATE = 8_000
STEP = RATE // 50


class Caller:
    """Speaks into the conversation in 20 ms packets, and moves its clock."""

    def __init__(self, live: LiveConversation, clock: ManualClock) -> None:
        self.live = live
        self.clock = clock
        self.seen: Counter[str] = Counter()
        self.recorded_s = 0.0
        self._ended = anyio.Event()
        self._random = np.random.default_rng(0)

    async def read(self) -> None:
        async for event in self.live:
            self.seen[type(event).__name__] += 1
            if isinstance(event, ResponseEnded):
                self._ended.set()
            if isinstance(event, UserTurn):
                self.recorded_s += event.end - event.start

    async def send(self, samples: Pcm16) -> None:
        noise = self._random.normal(0, 30, len(samples))
        noisy = np.clip(samples + noise, -32_768, 32_767).astype(np.int16)
        for start in range(0, len(noisy), STEP):
            await self.clock.advance(STEP / RATE)
            self.live.push_audio(noisy[start : start + STEP])

    async def silence(self, seconds: float) -> None:
        await self.send(np.zeros(int(seconds * RATE), np.int16))

    async def answered(self) -> None:
        """Waits, with the clock standing still, until as many answers ended as turns began."""
        with anyio.fail_after(60):
            while self.seen["ResponseEnded"] < self.seen["UserTurn"]:
                self._ended = anyio.Event()
                await self._ended.wait()


def speech(name: str, level: float = 1.0) -> Pcm16:
    pcm = read_audio(EXAMPLES / name, max_seconds=60).resampled(RATE)
    return (pcm.samples * level * 32_000).astype(np.int16)


async def converse(caller: Caller, minutes: float) -> list[dict[str, float]]:
    question = speech("what_time_is_it_in_tokyo.wav")
    other = speech("speak_in_a_deep_male_voice.wav", 0.7)
    cough = question[RATE // 2 : RATE // 2 + RATE // 8]
    figures, turn = [figure(caller)], 0
    while caller.live.audio_s < minutes * 60:
        turn += 1
        await caller.send(question if turn % 2 else other)
        await caller.silence(1.2)
        await caller.answered()
        await caller.silence(1.0)
        if turn % 3 == 0:
            await caller.send(cough)
        await caller.silence(3.0 if turn % 4 == 0 else 9.0)  # every fourth is interrupted
        if caller.live.audio_s >= len(figures) * min(600.0, minutes * 10):
            figures.append(figure(caller))
    return [*figures, figure(caller)]


def figure(caller: Caller) -> dict[str, float]:
    gc.collect()
    history = caller.live.session.history
    recordings = [p for m in history if isinstance(m, UserMessage) for p in m.parts]
    held = sum(p.samples.nbytes if isinstance(p, Audio) else len(p) for p in recordings)
    return {
        "minutes": round(caller.live.audio_s / 60, 1),
        "resident_mb": round(resident_mb(), 1),
        "history_mb": round(held / 1e6, 3),
        "recordings_mb": round(caller.recorded_s * 16_000 * 4 / 1e6, 3),
        "messages": len(history),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
    }


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def hour(minutes: float) -> dict[str, Any]:
    settings = Settings(library=LibrarySettings(folder=Path(tempfile.mkdtemp())))
    clock = ManualClock()
    async with Assistant(settings) as assistant:
        live = LiveConversation(
            assistant.session(),
            input_rate=RATE,
            pausable=True,
            clock=clock,
            lead_ins=LeadIns(PhraseCache(assistant)),
        )
        async with live, anyio.create_task_group() as tasks:
            caller = Caller(live, clock)
            tasks.start_soon(caller.read)
            began = time.perf_counter()
            figures = await converse(caller, minutes)
            took = time.perf_counter() - began
            live.close()
    return {
        "minutes": minutes,
        "took_s": round(took, 1),
        "events": dict(caller.seen),
        "figures": figures,
        "growth_mb_after_the_first_ten_minutes": round(
            figures[-1]["resident_mb"] - figures[1]["resident_mb"], 1
        ),
        "answers": caller.seen[ResponseEnded.__name__],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60.0)
    print(json.dumps(anyio.run(hour, parser.parse_args().minutes), indent=1))
