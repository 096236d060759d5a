"""A failing tool: the text for the model, the log, and retries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from assistant.errors import ToolError
from assistant.plugins import ToolOutcome
from assistant.testing import FailingTool

pytestmark = pytest.mark.anyio

OutcomeOf = Callable[..., Awaitable[ToolOutcome]]


class Odd(BaseException):
    pass


UNEXPECTED = "The tool fail failed unexpectedly."


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ToolError("No such place."), "No such place."),
        (ToolError(""), "The tool fail failed."),
        (ValueError("secret detail"), UNEXPECTED),
        (StopIteration(), UNEXPECTED),
        (SystemExit(1), UNEXPECTED),
        (Odd(), UNEXPECTED),
        (asyncio.CancelledError(), UNEXPECTED),
        (AssertionError(), UNEXPECTED),
        (httpx.ConnectError("refused"), "The tool fail could not reach what it needs."),
        (ConnectionResetError(), "The tool fail could not reach what it needs."),
        (TimeoutError(), "The tool fail could not reach what it needs."),
    ],
)
async def test_an_error_reaches_the_model_as_a_plain_sentence(
    error: BaseException, text: str, blocking: bool, outcome_of: OutcomeOf
) -> None:
    failing = FailingTool(error, blocking=blocking, side_effect="once")
    outcome = await outcome_of(failing.tool)
    assert (outcome.outcome, outcome.text, outcome.attempts) == ("error", text, 1)


async def test_a_thread_that_raises_keyboard_interrupt_is_contained(outcome_of: OutcomeOf) -> None:
    failing = FailingTool(KeyboardInterrupt(), blocking=True)
    assert (await outcome_of(failing.tool)).text == UNEXPECTED


async def test_the_log_has_the_traceback_of_a_defect(
    caplog: pytest.LogCaptureFixture, outcome_of: OutcomeOf
) -> None:
    await outcome_of(FailingTool(ValueError("detail")).tool)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "ValueError: detail" in caplog.text
    caplog.clear()
    await outcome_of(FailingTool(ToolError("No such place.")).tool)
    assert caplog.records == []


TRANSIENT = [
    ToolError("busy", transient=True),
    httpx.ReadTimeout("late"),
    ConnectionRefusedError(),
    TimeoutError(),
]


@pytest.mark.parametrize("error", TRANSIENT)
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("side_effect", ["none", "idempotent"])
async def test_a_transient_error_is_retried(
    error: Exception, blocking: bool, side_effect: Any, outcome_of: OutcomeOf
) -> None:
    failing = FailingTool(error, error, blocking=blocking, side_effect=side_effect)
    outcome = await outcome_of(failing.tool, retries=2)
    assert (outcome.outcome, outcome.attempts, failing.tries) == ("ok", 3, 3)


@pytest.mark.parametrize("error", TRANSIENT)
async def test_a_tool_with_a_side_effect_is_never_retried(
    error: Exception, outcome_of: OutcomeOf
) -> None:
    failing = FailingTool(error, side_effect="once")
    outcome = await outcome_of(failing.tool, retries=5)
    assert (outcome.outcome, outcome.attempts, failing.tries) == ("error", 1, 1)


async def test_other_errors_are_not_retried(outcome_of: OutcomeOf) -> None:
    failing = FailingTool(ToolError("No such place."))
    assert (await outcome_of(failing.tool, retries=5)).attempts == 1


@pytest.mark.parametrize("retries", [0, 3])
async def test_retries_end_with_the_last_error(retries: int, outcome_of: OutcomeOf) -> None:
    failing = FailingTool(*[ToolError("busy", transient=True)] * 9)
    outcome = await outcome_of(failing.tool, retries=retries)
    assert (outcome.outcome, outcome.text) == ("error", "busy")
    assert outcome.attempts == failing.tries == retries + 1


async def test_the_waits_between_retries_grow_up_to_their_bound(outcome_of: OutcomeOf) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    failing = FailingTool(*[TimeoutError()] * 9)
    await outcome_of(failing.tool, retries=8, sleep=sleep)
    assert len(waits) == 8
    assert all(0 <= wait <= min(0.25 * 2**n, 5.0) for n, wait in enumerate(waits))
