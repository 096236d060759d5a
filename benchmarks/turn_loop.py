"""What the turn loop itself costs, with an engine that takes no time.

    python benchmarks/turn_loop.py [--turns 300]

Prints JSON, milliseconds. `bare` is the obvious alternative, in the same run: the same engine read
by hand, and the same tools awaited one after another, with no events, history or dispatch.
What bounds it: Python's own time a task switch; with tools, the longest tool (50 ms).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from assistant import Assistant, Settings, tool
from assistant.config import LibrarySettings
from assistant.engines.base import EngineRequest
from assistant.testing import ScriptedEngine

TOOL_SECONDS = 0.05
ANSWER = ["All ", "is ", "well."]


@tool(side_effect="none")
async def wait(number: int) -> str:
    """Takes 50 ms."""
    await anyio.sleep(TOOL_SECONDS)
    return str(number)


def calls(count: int) -> str:
    form = '<tool_call>function\nwait\n{{"number": {}}}</tool_call>'
    return "".join(form.format(number) for number in range(count))


def script(request: EngineRequest) -> list[str]:
    """Four calls, then the answer."""
    results = [message for message in request.messages if type(message).__name__ == "ToolMessage"]
    return ANSWER if len(results) % 4 == 0 and results else [calls(4)]


async def measure(work: Callable[[], Awaitable[None]], turns: int) -> dict[str, float]:
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        await work()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    p99 = times[int(len(times) * 0.99)]
    return {"p50_ms": round(statistics.median(times), 3), "p99_ms": round(p99, 3)}


async def bare(engine: ScriptedEngine, tools: int) -> None:
    async for _ in engine.stream(EngineRequest(messages=()), engine.new_state()):
        pass
    for number in range(tools):
        await wait(number)


async def run(turns: int, folder: Path) -> dict[str, object]:
    settings = Settings(library=LibrarySettings(folder=folder))
    plain, with_tools = ScriptedEngine(ANSWER), ScriptedEngine(script)
    result: dict[str, object] = {"turns": turns}

    async def turn(assistant: Assistant) -> None:
        async for _ in assistant.session().ask("How is it?"):
            pass

    async with Assistant(settings, engine=plain) as assistant:
        result["no_tool"] = await measure(lambda: turn(assistant), turns)
        result["no_tool_bare"] = await measure(lambda: bare(plain, 0), turns)
    async with Assistant(settings, engine=with_tools, tools=[wait]) as assistant:
        few = max(20, turns // 5)
        result["four_tools_of_50_ms"] = await measure(lambda: turn(assistant), few)
        result["four_tools_bare"] = await measure(lambda: bare(plain, 4), few)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(anyio.run(run, arguments.turns, Path(name)), indent=1))
