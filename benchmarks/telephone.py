"""Telephone calls, in real time: how long a caller waits, and whether the audio is in time.

    python benchmarks/telephone.py [--calls 20] [--rounds 3] [--setting KEY=VALUE ...]

Prints JSON. The server is `assistant serve` in a process of its own, with the embedded engine. The
callers share another process on the same machine, so what they need of the cores is missing there.
Each speaks a recorded question as 20 ms frames of 8 kHz mu-law, by the clock; speaks a second one
over the answer after a while; and listens to that answer to its end.

`first_audio_ms`: from the last frame of speech (a frame above -40 dB of the loudest) to the first
frame of the answer, the silence that ends a turn included. `barge_in_ms`: from the first frame of
speech over the answer to `clear`. `late`: the delay of frames against their pace
(the server's own figure); `ran_dry`: how often a caller's side had nothing left to play in the
middle of a stretch of audio, which is the audible effect of delays.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio
import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from assistant.audio.decode import read_audio
from assistant.audio.g711 import MU_LAW

EXAMPLES = Path(__file__).parents[1] / "examples"
QUESTIONS = ("what_time_is_it_in_tokyo", "roll_a_dice")
FRAME, FRAME_S = 160, 0.02
SILENCE = b"\xff" * FRAME
DRY_S = 0.06
SPREAD_S = 12.0
"""Between the begin of the first call and the last; about what a round takes."""
THINKS_S = 2.0
"""From the end of an answer to the next question."""
PAUSE_S = 0.5  # a longer gap lies between two stretches: a tool runs


@dataclass
class Figures:
    greeting_ms: list[float] = field(default_factory=list)
    first_audio_ms: list[float] = field(default_factory=list)
    barge_in_ms: list[float] = field(default_factory=list)
    dry_ms: list[float] = field(default_factory=list)
    behind_ms: list[float] = field(default_factory=list)  # the callers' own lateness
    unanswered: int = 0
    frames: int = 0


def speech(name: str) -> list[bytes]:
    """The frames from the first to the last one that is loud."""
    pcm = read_audio(EXAMPLES / f"{name}.wav", max_seconds=60).resampled(8_000)
    frames = pcm.samples[: len(pcm.samples) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = np.flatnonzero(levels > levels.max() * 0.01)
    chosen = frames[loud[0] : loud[-1] + 1]
    return [MU_LAW.encode((frame * 32_767).astype(np.int16)) for frame in chosen]


class Caller:
    def __init__(self, number: int, socket: ClientConnection, figures: Figures) -> None:
        self._sid = f"MZ{number:032x}"
        self._socket = socket
        self._figures = figures
        self._speech: list[bytes] = []  # what is to be said next
        self._spoken = anyio.Event()
        self._news = anyio.Event()
        self.first_media_at = 0.0  # of the stretch of audio that plays
        self.last_media_at = 0.0
        self._plays_until = 0.0
        self.cleared_at = 0.0
        self.spoke_from = self.spoke_until = 0.0

    async def send(self, event: str, **values: Any) -> None:
        await self._socket.send(json.dumps({"event": event, "streamSid": self._sid, **values}))

    async def microphone(self) -> None:
        """A frame every 20 ms, by absolute times."""
        due, chunk = time.perf_counter(), 0
        while True:
            frame = self._speech.pop(0) if self._speech else SILENCE
            chunk += 1
            payload = base64.b64encode(frame).decode()
            media = {"track": "inbound", "chunk": str(chunk), "payload": payload}
            await self.send("media", media={**media, "timestamp": str(chunk * 20)})
            if frame is not SILENCE and not self._speech:
                self.spoke_until = time.perf_counter()
                self._spoken.set()
            due += FRAME_S
            behind = time.perf_counter() - due
            if behind > 0:
                self._figures.behind_ms.append(behind * 1e3)
            await anyio.sleep(max(0.0, -behind))

    async def listen(self) -> None:
        async for text in self._socket:
            now = time.perf_counter()
            message = json.loads(text)
            if message["event"] == "media":
                self._played(now)
            elif message["event"] == "clear":
                self.cleared_at, self._plays_until = now, 0.0
            else:
                await self.send("mark", mark=message["mark"])
            self._news.set()
            self._news = anyio.Event()

    def _played(self, now: float) -> None:
        self._figures.frames += 1
        gap = now - self._plays_until
        if gap > PAUSE_S:
            self.first_media_at = now
        elif gap > DRY_S:
            self._figures.dry_ms.append(gap * 1e3)
        self.last_media_at = now
        self._plays_until = max(self._plays_until, now) + FRAME_S

    async def say(self, frames: list[bytes]) -> None:
        self._spoken = anyio.Event()
        self.spoke_from = time.perf_counter()
        self._speech.extend(frames)
        await self._spoken.wait()

    async def until(self, reached: Any, timeout_s: float = 20.0) -> bool:
        with anyio.move_on_after(timeout_s):
            while not reached():
                await self._news.wait()
            return True
        return False

    async def answered(self) -> bool:
        """Waits for the answer to what was just said."""
        end = self.spoke_until
        if not await self.until(lambda: self.first_media_at > end):
            self._figures.unanswered += 1
            return False
        self._figures.first_audio_ms.append((self.first_media_at - end) * 1e3)
        return True

    async def quiet(self) -> None:
        """Waits until nothing has come, and nothing plays, for a while."""
        left_s = THINKS_S
        while left_s > 0:
            await anyio.sleep(left_s)
            left_s = max(self.last_media_at, self._plays_until) + THINKS_S - time.perf_counter()

    async def talk(self, rounds: int) -> None:
        started = time.perf_counter()
        await self.until(lambda: self.first_media_at > 0)
        self._figures.greeting_ms.append((self.first_media_at - started) * 1e3)
        await self.quiet()
        first, second = (speech(name) for name in QUESTIONS)
        for _ in range(rounds):
            await self.say(first)
            if await self.answered():
                await anyio.sleep(0.7)
                interrupted = self._plays_until > time.perf_counter() + 0.1
                spoken_from = time.perf_counter()
                await self.say(second)
                if interrupted and self.cleared_at > spoken_from:
                    self._figures.barge_in_ms.append((self.cleared_at - spoken_from) * 1e3)
                await self.answered()
            await self.quiet()


async def call(number: int, base: str, rounds: int, calls: int, figures: Figures) -> None:
    await anyio.sleep(number * SPREAD_S / calls)
    call_sid = f"CA{number:032x}"
    async with httpx.AsyncClient(base_url=base) as client:
        answer = await client.post("/twilio/voice", data={"CallSid": call_sid})
    parameter = ElementTree.fromstring(answer.content).find("Connect/Stream/Parameter")
    assert parameter is not None, answer.text
    url = base.replace("http", "ws") + "/twilio/media"
    async with (
        connect(url, compression=None, proxy=None, max_queue=None) as socket,
        anyio.create_task_group() as tasks,
    ):
        caller = Caller(number, socket, figures)
        token = {"token": parameter.attrib["value"]}
        await caller.send("start", start={"callSid": call_sid, "customParameters": token})
        tasks.start_soon(caller.listen)
        tasks.start_soon(caller.microphone)
        await caller.talk(rounds)
        await caller.send("stop")
        tasks.cancel_scope.cancel()


@contextmanager
def server(settings: list[str]) -> Iterator[tuple[str, int]]:
    """`assistant serve`; gives its address and process id."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_DATA_HOME": folder, "ASSISTANT_SERVER__INSECURE": "true"}
        for setting in settings:
            key, _, value = setting.partition("=")
            environment["ASSISTANT_" + key.upper().replace(".", "__")] = value
        command = [sys.executable, "-m", "assistant", "serve", "--port", "0"]
        log = Path(folder) / "log"
        with log.open("w") as file:
            process = subprocess.Popen(command, env=environment, stderr=file)
        try:
            while "startup complete" not in (text := log.read_text("utf-8")):
                assert process.poll() is None, text
                time.sleep(0.1)
            yield text.split()[0], process.pid
        finally:
            process.terminate()
            process.wait()


def usage(pid: int) -> tuple[float, float]:
    """Seconds of CPU so far, and MB in memory; of the process and its children."""
    tick = os.sysconf("SC_CLK_TCK")
    seconds = memory = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if pid in (int(stat.parent.name), int(values[1])):
            seconds += (int(values[11]) + int(values[12])) / tick
            memory += int(values[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return seconds, memory


def summary(values: list[float]) -> dict[str, float | int]:
    if not values:
        return {"count": 0}
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "p50": round(statistics.median(ordered)),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]),
        "max": round(ordered[-1]),
    }


def late(metrics: str) -> dict[str, int]:
    """Frames later than each bound, in ms."""
    name = "assistant_call_frame_late_seconds_bucket"
    found = re.findall(rf'{name}{{le="([^"]+)"}} (\S+)', metrics)
    total = int(float(found[-1][1]))
    bounds = [(float(bound) * 1e3, total - int(float(count))) for bound, count in found[:-1]]
    return {"frames": total, **{f"over_{bound:g}_ms": count for bound, count in bounds}}


async def metrics_of(base: str) -> str:
    async with httpx.AsyncClient(base_url=base) as client:
        return (await client.get("/metrics")).text


async def warm(base: str) -> None:
    """Two calls at once, which are not counted: what is loaded at its first use is there then."""
    async with anyio.create_task_group() as tasks:
        for number in (998, 999):
            tasks.start_soon(call, number, base, 1, 1_000_000, Figures())


async def main(calls: int, rounds: int, settings: list[str]) -> dict[str, Any]:
    figures = Figures()
    with server(settings) as (base, pid):
        await warm(base)
        before, memory_before = usage(pid)
        frames_before = late(await metrics_of(base))
        own_before, began = time.process_time(), time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for number in range(calls):
                tasks.start_soon(call, number, base, rounds, calls, figures)
        wall = time.perf_counter() - began
        after, memory_after = usage(pid)
        metrics = await metrics_of(base)
    return {
        "calls": calls,
        "cores": os.cpu_count(),
        "seconds": round(wall),
        "greeting_ms": summary(figures.greeting_ms),
        "first_audio_ms": summary(figures.first_audio_ms),
        "barge_in_ms": summary(figures.barge_in_ms),
        "late": {key: count - frames_before[key] for key, count in late(metrics).items()},
        "ran_dry_ms": summary(figures.dry_ms),
        "unanswered": figures.unanswered,
        "speculations": {
            outcome: int(float(count))
            for outcome, count in re.findall(
                r'assistant_speculations_total{outcome="(\w+)"} (\S+)', metrics
            )
        },
        "callers_behind_ms": summary(figures.behind_ms),
        "server_cores": round((after - before) / wall, 2),
        "callers_cores": round((time.process_time() - own_before) / wall, 2),
        "server_mb": {"before": round(memory_before), "after": round(memory_after)},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3, help="pairs of questions a caller asks")
    parser.add_argument("--setting", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    print(json.dumps(anyio.run(main, given.calls, given.rounds, given.setting), indent=1))
