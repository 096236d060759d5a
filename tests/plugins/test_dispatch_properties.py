"""Any mix of calls, tools and cancellations: one outcome per call, nothing lost, nothing stuck."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from assistant.config import PluginSettings
from assistant.errors import ToolError
from assistant.messages import Outcome, ToolCall, ToolSchema
from assistant.plugins import Caller, Dispatcher, Registry, SideEffect, Tool, ToolOutcome, tool
from assistant.testing import SlowTool

LONG_ENOUGH_S = 60.0
NEVER_ANSWERS_S = 0.01


class Odd(BaseException):
    pass


RAISES = [
    ToolError("wrong"),
    ToolError("busy", transient=True),
    ConnectionResetError(),
    ValueError(),
    SystemExit(3),
    Odd(),
    asyncio.CancelledError(),
]
RETURNS = ["text", None, "long " * 100, {"a": [1]}, object(), "\ud800", float("inf")]
ARGUMENTS = ["{}", "", '{"value": "x"}', '{"value": []}', '{"other": 1}', "{", "[]"]


@dataclass(frozen=True)
class Step:
    """One call: of which tool, under which id, with which arguments."""

    kind: str  # answers, raises, hangs, unknown, denied, guarded, malformed
    value: Any
    blocking: bool
    side_effect: SideEffect
    call_id: str
    arguments: str


def steps() -> st.SearchStrategy[Step]:
    values = st.tuples(st.just("answers"), st.sampled_from(RETURNS)) | st.tuples(
        st.just("raises"), st.sampled_from(RAISES)
    )
    others = st.sampled_from(["hangs", "unknown", "denied", "guarded", "malformed"])
    return st.builds(
        lambda kind, blocking, side_effect, call_id, arguments: Step(
            *kind, blocking, side_effect, call_id, arguments
        ),
        values | st.tuples(others, st.none()),
        st.booleans(),
        st.sampled_from(get_args(SideEffect)),
        st.sampled_from(["a", "b", "c"]),  # few, so that ids repeat
        st.just("{}") | st.sampled_from(ARGUMENTS),
    )


class World:
    """A tool for each step, and the calls."""

    def __init__(self, plan: list[Step]) -> None:
        self.registry = Registry()
        self.hanging: list[SlowTool] = []
        self.calls = [self._call(f"tool_{number}", step) for number, step in enumerate(plan)]

    def _call(self, name: str, step: Step) -> ToolCall:
        if step.kind == "hangs":
            slow = SlowTool(
                name,
                blocking=step.blocking,
                side_effect=step.side_effect,
                timeout_s=NEVER_ANSWERS_S,
            )
            self.hanging.append(slow)
            self.registry.add(slow.tool)
        elif step.kind != "unknown":
            self.registry.add(_tool(name, step))
        problem = "It is broken." if step.kind == "malformed" else ""
        return ToolCall(step.call_id, name, step.arguments, problem)

    async def run(self, cancel_after: int | None) -> list[ToolOutcome]:
        """Runs all calls at once; cancels the turn after some of the reports."""
        reports: list[ToolOutcome] = []

        def report(outcome: ToolOutcome) -> None:
            reports.append(outcome)
            if len(reports) == cancel_after:
                group.cancel_scope.cancel()

        settings = PluginSettings(timeout_s=LONG_ENOUGH_S, max_result_chars=100)
        dispatcher = Dispatcher(self.registry, settings, threads_per_tool=1, sleep=_no_wait)
        denied = [name for name in self.registry.names if self._is_denied(name)]
        caller = Caller("s", "t", deny=denied, approve=_never)
        async with anyio.create_task_group() as group:
            for call in self.calls:
                group.start_soon(dispatcher.run, call, caller, report)
            if cancel_after == 0:
                group.cancel_scope.cancel()
        for slow in self.hanging:
            slow.release()
        return reports

    def _is_denied(self, name: str) -> bool:
        found = self.registry.get(name)
        return found is not None and "denied" in found.schema.description


def _tool(name: str, step: Step) -> Tool:
    def block(value: str = "") -> Any:
        if step.kind == "raises":
            raise step.value
        return step.value

    async def wait(value: str = "") -> Any:
        return block(value)

    function: Any = block if step.blocking else wait
    function.__doc__ = f"Is {step.kind}."
    guarded = step.kind == "guarded"
    made: Tool = tool(name=name, side_effect=step.side_effect, needs_approval=guarded)(function)
    return made


async def _no_wait(seconds: float) -> None:
    await anyio.lowlevel.checkpoint()


async def _never(call: ToolCall, schema: ToolSchema) -> bool:
    return False


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silences the tracebacks of tools that fail on purpose."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


FITTING = ("{}", "", '{"value": "x"}')


def expected(step: Step) -> set[Outcome]:
    """Returns the outcome that the call must have if it is not cancelled."""
    if step.kind == "malformed":
        return {"error"}
    if step.kind in ("unknown", "denied"):
        return {step.kind}  # type: ignore[arg-type]
    if step.arguments not in (FITTING if step.kind != "hangs" else FITTING[:2]):
        return {"error"}
    if step.kind == "guarded":
        return {"denied"}
    if step.kind == "hangs":
        return {"timeout"}
    return {"error"} if step.kind == "raises" or type(step.value) is object else {"ok"}


def check(plan: list[Step], world: World, reports: list[ToolOutcome]) -> None:
    assert Counter(map(id, world.calls)) == Counter(id(report.call) for report in reports)
    for report in reports:
        assert report.outcome in get_args(Outcome)
        assert 0 < len(report.text) <= 100
        report.text.encode("utf-8")
        assert report.seconds >= 0


@bounded(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps(), max_size=8))
def test_each_call_ends_in_the_one_outcome_that_fits(plan: list[Step]) -> None:
    world = World(plan)
    reports = anyio.run(world.run, None)
    check(plan, world, reports)
    by_name = {report.call.name: report for report in reports}
    for number, step in enumerate(plan):
        assert by_name[f"tool_{number}"].outcome in expected(step), step


@bounded(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps(), min_size=1, max_size=8), st.integers(0, 8))
def test_each_call_of_a_cancelled_turn_ends_in_one_outcome(plan: list[Step], after: int) -> None:
    world = World(plan)
    reports = anyio.run(world.run, after)
    check(plan, world, reports)
    by_name = {report.call.name: report for report in reports}
    for number, step in enumerate(plan):
        outcome = by_name[f"tool_{number}"].outcome
        assert outcome in expected(step) | {"cancelled"}, step
