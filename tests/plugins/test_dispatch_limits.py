"""Timeouts and threads: a hanging tool delays only itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from assistant.plugins import Dispatcher, Registry, ToolOutcome, tool
from assistant.testing import FailingTool, RecordingTool, SlowTool
from tests.support.tool_calls import tool_call

pytestmark = pytest.mark.anyio

Run = Callable[..., Awaitable[ToolOutcome]]

OutcomeOf = Callable[..., Awaitable[ToolOutcome]]

SOON_S = 0.05  # for tools that never answer: any limit is the same to them


async def test_all_retries_share_one_timeout(outcome_of: OutcomeOf) -> None:
    async def sleep(seconds: float) -> None:
        await anyio.sleep_forever()

    failing = FailingTool(TimeoutError())
    outcome = await outcome_of(failing.tool, timeout_s=SOON_S, sleep=sleep)
    assert (outcome.outcome, outcome.attempts) == ("timeout", 1)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("side_effect", ["none", "once"])
async def test_a_tool_that_hangs_ends_in_a_timeout(
    blocking: bool, side_effect: Any, outcome_of: OutcomeOf
) -> None:
    slow = SlowTool(blocking=blocking, side_effect=side_effect, timeout_s=SOON_S)
    outcome = await outcome_of(slow.tool)
    slow.release()
    assert (outcome.outcome, outcome.attempts) == ("timeout", 1)
    assert outcome.text.startswith(f"The tool {slow.tool.name} did not answer within 0.05 seconds.")
    assert ("may still take effect" in outcome.text) is (side_effect == "once")


async def test_the_timeout_of_the_settings_is_for_tools_without_one(outcome_of: OutcomeOf) -> None:
    slow = SlowTool()
    assert (await outcome_of(slow.tool, timeout_s=SOON_S)).outcome == "timeout"


async def test_a_blocking_tool_sees_its_cancellation_and_frees_its_thread(run: Run) -> None:
    slow = SlowTool(blocking=True)
    dispatcher = Dispatcher(Registry([slow.tool]), threads_per_tool=1)
    async with anyio.create_task_group() as group:
        group.start_soon(run, dispatcher, tool_call(slow.tool))
        await slow.began()
        group.cancel_scope.cancel()
    slow.release()
    assert (
        await run(dispatcher, tool_call(slow.tool))
    ).outcome == "ok"  # waits for the first thread
    assert slow.cancelled == [True, False]


async def test_a_hanging_tool_blocks_only_itself(run: Run) -> None:
    slow = SlowTool(blocking=True, timeout_s=SOON_S)

    @tool
    def quick() -> str:
        """Answers from a thread."""
        return "here"

    dispatcher = Dispatcher(Registry([slow.tool, quick]), threads_per_tool=2)
    outcomes = [await run(dispatcher, tool_call(slow.tool)) for _ in range(3)]
    assert [outcome.outcome for outcome in outcomes] == ["timeout"] * 3
    assert [outcome.attempts for outcome in outcomes] == [1, 1, 0]
    assert outcomes[2].text == (
        "The tool wait is busy with other calls, and was not free within 0.05 seconds."
    )
    assert (await run(dispatcher, tool_call(quick))).outcome == "ok"
    slow.release()


def test_a_hanging_tool_does_not_keep_the_program_from_ending() -> None:
    script = """
import threading
from assistant.plugins import tool
from assistant.testing import call_tool

@tool(timeout_s=0.02)
def hang() -> str:
    "Hangs for ever."
    threading.Event().wait()
    return ""

print(call_tool(hang).outcome)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout == "timeout\n"


def test_one_dispatcher_serves_one_event_loop_after_another(run: Run) -> None:
    slow = SlowTool("wait", blocking=True, timeout_s=SOON_S)
    recording = RecordingTool()
    dispatcher = Dispatcher(Registry([slow.tool, recording.tool]), threads_per_tool=1)
    for _ in range(3):
        assert anyio.run(run, dispatcher, tool_call(recording.tool)).outcome == "ok"
        ended = anyio.run(run, dispatcher, tool_call(slow.tool))
        assert (ended.outcome, ended.attempts) == ("timeout", 1)
    slow.release()
