"""The context of a tool: caller, settings, and progress while it runs."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from assistant.messages import ToolCall
from assistant.plugins import Caller, ToolOutcome, tool
from assistant.plugins.context import ToolContext

pytestmark = pytest.mark.anyio

OutcomeOf = Callable[..., Awaitable[ToolOutcome]]


@pytest.mark.parametrize("blocking", [True, False])
async def test_progress_comes_in_the_event_loop_and_only_before_the_outcome(
    blocking: bool, outcome_of: OutcomeOf
) -> None:
    seen: list[tuple[str, bool]] = []
    contexts: list[ToolContext] = []
    here = threading.get_ident()

    def on_progress(the_call: ToolCall, text: str) -> None:
        seen.append((f"{the_call.id} {text}", threading.get_ident() == here))

    def work(context: ToolContext) -> str:
        """Works in a thread."""
        contexts.append(context)
        context.progress("one")
        context.progress("two")
        return "done"

    async def wait(context: ToolContext) -> str:
        """Works in the event loop."""
        return work(context)

    caller = Caller("s", "t", on_progress=on_progress)
    outcome = await outcome_of(tool(work) if blocking else tool(wait), caller)
    contexts[0].progress("late")
    assert outcome.outcome == "ok"
    assert seen == [("call-1 one", True), ("call-1 two", True)]
    assert contexts[0].cancelled  # no caller waits any more


async def test_a_blocking_tool_sees_the_context_variables_of_its_caller(
    outcome_of: OutcomeOf,
) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")

    @tool
    def read() -> str:
        """Reads."""
        return request.get()

    request.set("r-1")
    assert (await outcome_of(read)).text == "r-1"


async def test_an_awaitable_from_a_plain_function_is_awaited(outcome_of: OutcomeOf) -> None:
    async def later() -> str:
        return "later"

    @tool
    def start() -> Any:
        """Starts."""
        return later()

    assert (await outcome_of(start)).text == "later"
