"""Permissions: the calls that may run, and approvals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from assistant.config import PluginSettings
from assistant.messages import ToolCall, ToolSchema
from assistant.plugins import Caller, Dispatcher, Registry, Tool, ToolOutcome, tool
from assistant.testing import RecordingTool
from tests.support.tool_calls import tool_call

pytestmark = pytest.mark.anyio

Run = Callable[..., Awaitable[ToolOutcome]]

OutcomeOf = Callable[..., Awaitable[ToolOutcome]]


async def test_a_malformed_call_is_answered_with_its_problem(run: Run) -> None:
    recording = RecordingTool()
    dispatcher = Dispatcher(Registry([recording.tool]))
    outcome = await run(dispatcher, tool_call(recording.tool, problem="The JSON is broken."))
    assert (outcome.outcome, outcome.text) == ("error", "The JSON is broken.")
    outcome = await run(dispatcher, tool_call("", problem="The call has no name."))
    assert outcome.text == "The call has no name. The tools are: record."
    assert recording.values == []


async def test_an_unknown_name_is_answered_with_the_allowed_names(run: Run) -> None:
    tools = [RecordingTool(name).tool for name in ("weather", "search", "secret")]
    dispatcher = Dispatcher(Registry(tools), PluginSettings(deny=("secret",)))
    outcome = await run(dispatcher, tool_call("wether"), Caller("s", "t", deny=["search"]))
    assert outcome.outcome == "unknown"
    assert outcome.text == (
        "There is no tool 'wether'; did you mean 'weather'? The tools are: weather."
    )
    assert (await run(Dispatcher(Registry()), tool_call("x"))).text.endswith("There are no tools.")


@pytest.mark.parametrize(
    ("settings", "caller"),
    [
        ({"deny": ("record",)}, {}),
        ({"allow": ("other",)}, {}),
        ({"allow": ()}, {"allow": ["record"]}),
        ({}, {"deny": {"record"}}),
        ({}, {"allow": []}),
        ({"deny": ("record",)}, {"allow": ["record"]}),
        ({}, {"allow": ["record"], "deny": ["record"]}),
    ],
)
async def test_a_session_narrows_what_the_settings_permit_and_never_widens_it(
    settings: dict[str, Any], caller: dict[str, Any], run: Run
) -> None:
    recording = RecordingTool()
    dispatcher = Dispatcher(Registry([recording.tool]), PluginSettings(**settings))
    outcome = await run(dispatcher, tool_call("record"), Caller("s", "t", **caller))
    assert (outcome.outcome, outcome.attempts) == ("denied", 0)
    assert dispatcher.schemas(**caller) == ()
    assert recording.values == []


async def test_the_model_gets_exactly_the_tools_that_may_be_called(run: Run) -> None:
    tools = [RecordingTool(name).tool for name in ("a", "b", "c", "d")]
    dispatcher = Dispatcher(Registry(tools), PluginSettings(allow=("a", "b", "c"), deny=("a",)))
    told = dispatcher.schemas(allow=["a", "b", "d"])
    assert [schema.name for schema in told] == ["b"]
    for one in tools:
        outcome = await run(dispatcher, tool_call(one), Caller("s", "t", allow=["a", "b", "d"]))
        assert outcome.outcome == ("ok" if one.name == "b" else "denied")


def guarded() -> Tool:
    @tool(needs_approval=True)
    async def pay(amount: int = 1) -> str:
        """Pays."""
        return "paid"

    return pay


async def asked(answer: Any, outcome_of: OutcomeOf) -> tuple[ToolOutcome, list[ToolCall]]:
    questions: list[ToolCall] = []

    async def approve(the_call: ToolCall, schema: ToolSchema) -> bool:
        questions.append(the_call)
        assert schema.name == "pay"
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    return await outcome_of(guarded(), Caller("s", "t", approve=approve)), questions


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(True, "ok"), (False, "denied"), ("no", "denied"), (OSError("line is dead"), "denied")],
)
async def test_only_an_approval_lets_a_guarded_tool_run(
    answer: Any, outcome: str, outcome_of: OutcomeOf
) -> None:
    ended, questions = await asked(answer, outcome_of)
    assert ended.outcome == outcome
    assert len(questions) == 1


async def test_a_guarded_tool_is_denied_without_an_approver(outcome_of: OutcomeOf) -> None:
    assert (await outcome_of(guarded())).outcome == "denied"


async def test_no_approval_is_asked_for_arguments_that_do_not_fit(run: Run) -> None:
    async def approve(the_call: ToolCall, schema: ToolSchema) -> bool:
        pytest.fail("asked")

    dispatcher = Dispatcher(Registry([guarded()]))
    caller = Caller("s", "t", approve=approve)
    assert (await run(dispatcher, tool_call("pay", '{"amount": "all"}'), caller)).outcome == "error"
