"""A cancelled turn: each call ends in one outcome, and side effects that began finish."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from assistant.messages import ToolCall, ToolSchema
from assistant.plugins import Caller, Dispatcher, Registry, Tool, ToolOutcome, tool
from assistant.testing import SlowTool
from tests.support.tool_calls import tool_call

pytestmark = pytest.mark.anyio

CALLER = Caller(session_id="s", turn_id="t")

SOON_S = 0.05  # for tools that never answer: any limit is the same to them


async def stopped(
    made: Tool, then: Callable[[], None], began: Awaitable[None], caller: Caller = CALLER
) -> tuple[list[ToolOutcome], bool]:
    """Returns the reports of a call whose turn is cancelled, and whether the turn continued."""
    reports: list[ToolOutcome] = []
    went_past = False

    async def turn() -> None:
        nonlocal went_past
        await Dispatcher(Registry([made])).run(tool_call(made), caller, reports.append)
        await checkpoint()
        went_past = True

    async with anyio.create_task_group() as group:
        group.start_soon(turn)
        await began
        group.cancel_scope.cancel()
        then()
    return reports, went_past


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("side_effect", ["none", "idempotent"])
async def test_a_cancelled_call_ends_at_once_and_says_so(blocking: bool, side_effect: Any) -> None:
    slow = SlowTool(blocking=blocking, side_effect=side_effect)
    reports, went_past = await stopped(slow.tool, lambda: None, slow.began())
    assert [report.outcome for report in reports] == ["cancelled"]
    assert not went_past
    if not blocking:
        assert slow.cancelled == [True]
    slow.release()


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_side_effect_that_began_runs_to_its_end(blocking: bool) -> None:
    slow = SlowTool(blocking=blocking, side_effect="once", result="sent")
    reports, went_past = await stopped(slow.tool, slow.release, slow.began())
    assert [(report.outcome, report.text) for report in reports] == [("ok", "sent")]
    assert not went_past


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_hanging_side_effect_is_awaited_until_its_timeout(blocking: bool) -> None:
    slow = SlowTool(blocking=blocking, side_effect="once", timeout_s=SOON_S)
    reports, _ = await stopped(slow.tool, lambda: None, slow.began())
    assert [report.outcome for report in reports] == ["timeout"]
    slow.release()


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_side_effect_that_has_not_begun_never_begins_after_cancellation(
    blocking: bool,
) -> None:
    slow = SlowTool(blocking=blocking, side_effect="once")
    reports: list[ToolOutcome] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Dispatcher(Registry([slow.tool])).run(tool_call(slow.tool), CALLER, reports.append)
    assert [(report.outcome, report.attempts) for report in reports] == [("cancelled", 0)]
    assert slow.runs == 0


async def test_a_side_effect_that_waits_for_a_thread_can_be_cancelled() -> None:
    slow = SlowTool(blocking=True, side_effect="once")
    dispatcher = Dispatcher(Registry([slow.tool]), threads_per_tool=1)
    first: list[ToolOutcome] = []
    second: list[ToolOutcome] = []
    async with anyio.create_task_group() as group:
        group.start_soon(dispatcher.run, tool_call(slow.tool), CALLER, first.append)
        await slow.began()
        with anyio.move_on_after(SOON_S):
            await dispatcher.run(tool_call(slow.tool), CALLER, second.append)
        assert [report.outcome for report in second] == ["cancelled"]
        slow.release()
    assert [report.outcome for report in first] == ["ok"]
    assert slow.runs == 1


async def test_a_request_for_approval_can_be_cancelled() -> None:
    began = anyio.Event()

    @tool(needs_approval=True)
    async def pay() -> str:
        """Pays."""
        return "paid"

    async def approve(the_call: ToolCall, schema: ToolSchema) -> bool:
        began.set()
        await anyio.sleep_forever()
        return True

    caller = Caller("s", "t", approve=approve)
    reports, _ = await stopped(pay, lambda: None, began.wait(), caller)
    assert [report.outcome for report in reports] == ["cancelled"]


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(("side_effect", "outcome"), [("none", "cancelled"), ("once", "ok")])
async def test_a_cancellation_by_asyncio_itself_is_treated_like_any_other(
    side_effect: Any, outcome: str, blocking: bool
) -> None:
    slow = SlowTool(blocking=blocking, side_effect=side_effect)
    reports: list[ToolOutcome] = []
    dispatcher = Dispatcher(Registry([slow.tool]))
    task = asyncio.create_task(dispatcher.run(tool_call(slow.tool), CALLER, reports.append))
    await slow.began()
    task.cancel()
    await checkpoint()
    slow.release()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [report.outcome for report in reports] == [outcome]
