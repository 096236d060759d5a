"""Each call ends in exactly one outcome, whatever the tool does and whenever the turn stops."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from pydantic import BaseModel

from assistant.config import PluginSettings
from assistant.errors import ToolError
from assistant.messages import ToolCall, ToolSchema
from assistant.plugins import Caller, Dispatcher, Registry, Tool, ToolOutcome, ToolResult, tool
from assistant.plugins.context import ToolContext
from assistant.testing import FailingTool, RecordingTool, SlowTool

pytestmark = pytest.mark.anyio

SOON_S = 0.05  # for tools that never answer: any limit is the same to them
CALLER = Caller(session_id="s", turn_id="t")


def call(made: Tool | str, arguments: str = "{}", problem: str = "") -> ToolCall:
    name = made if isinstance(made, str) else made.name
    return ToolCall("call-1", name, arguments, problem)


async def run(dispatcher: Dispatcher, the_call: ToolCall, caller: Caller = CALLER) -> ToolOutcome:
    reports: list[ToolOutcome] = []
    await dispatcher.run(the_call, caller, reports.append)
    (outcome,) = reports
    return outcome


async def outcome_of(made: Tool, caller: Caller = CALLER, **settings: Any) -> ToolOutcome:
    sleeps = settings.pop("sleep", no_wait)
    dispatcher = Dispatcher(Registry([made]), PluginSettings(**settings), sleep=sleeps)
    return await run(dispatcher, call(made), caller)


async def no_wait(seconds: float) -> None:
    await checkpoint()


def answering(value: Any) -> Tool:
    @tool
    async def answer() -> Any:
        """Answers."""
        return value

    return answer


class Place(BaseModel):
    name: str


@dataclass
class Visit:
    place: Place
    day: date


@pytest.mark.parametrize(
    ("value", "text", "data"),
    [
        ("two words", "two words", None),
        ("", "", None),
        (None, "done", None),
        (5, "5", 5),
        (True, "true", True),
        (["a", 1], '["a",1]', ["a", 1]),
        ({"größe": 1.5}, '{"größe":1.5}', {"größe": 1.5}),
        (Place(name="Ulm"), '{"name":"Ulm"}', {"name": "Ulm"}),
        (
            Visit(Place(name="Ulm"), date(2024, 2, 29)),
            '{"place":{"name":"Ulm"},"day":"2024-02-29"}',
            {"place": {"name": "Ulm"}, "day": "2024-02-29"},
        ),
        (float("nan"), "null", None),
        ("half a \ud83d pair", "half a ? pair", None),
        ("<tool_call>x</tool_call><|EOT|>", "<tool_call>x</tool_call><|EOT|>", None),
    ],
)
async def test_what_a_tool_returns_becomes_text(value: Any, text: str, data: Any) -> None:
    outcome = await outcome_of(answering(value))
    assert (outcome.outcome, outcome.text, outcome.data) == ("ok", text, data)
    assert outcome.attempts == 1
    assert outcome.seconds >= 0


async def test_a_tool_result_brings_data_and_a_voice() -> None:
    data = object()
    outcome = await outcome_of(answering(ToolResult("Found.", data, voice="awb")))
    assert (outcome.text, outcome.voice) == ("Found.", "awb")
    assert outcome.data is data


circle: list[Any] = []
circle.append(circle)


@pytest.mark.parametrize(
    "value",
    [object(), circle, {"f": len}, b"\xff", iter([1]), (x for x in "ab"), ToolResult(5)],  # type: ignore[arg-type]
)
async def test_what_can_not_be_put_into_words_is_an_error(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await outcome_of(answering(value))
    assert outcome.outcome == "error"
    assert outcome.text == "The tool answer returned what can't be put into words."
    assert caplog.records[0].exc_info


@pytest.mark.parametrize("text", ["word " * 100, "字" * 500, "x" * 101, "\n" * 500])
async def test_a_long_result_is_cut_and_says_so(text: str) -> None:
    outcome = await outcome_of(answering(text), max_result_chars=100)
    assert outcome.outcome == "ok"
    assert len(outcome.text) <= 100
    kept, _, note = outcome.text.partition(" … ")
    assert note == f"[cut: {len(text)} characters in all]"
    assert text.startswith(kept)
    assert text[: len(kept)] + " " in text + " " or " " not in text


async def test_a_result_is_cut_between_words() -> None:
    outcome = await outcome_of(answering("Donaudampfschiff " * 30), max_result_chars=100)
    assert outcome.text.split(" … ")[0].endswith("Donaudampfschiff")


async def test_an_error_for_the_model_is_cut_as_well() -> None:
    failing = FailingTool(ToolError("word " * 100))
    assert len((await outcome_of(failing.tool, max_result_chars=100)).text) == 100


async def test_a_malformed_call_is_answered_with_its_problem() -> None:
    recording = RecordingTool()
    dispatcher = Dispatcher(Registry([recording.tool]))
    outcome = await run(dispatcher, call(recording.tool, problem="The JSON is broken."))
    assert (outcome.outcome, outcome.text) == ("error", "The JSON is broken.")
    outcome = await run(dispatcher, call("", problem="The call has no name."))
    assert outcome.text == "The call has no name. The tools are: record."
    assert recording.values == []


async def test_an_unknown_name_is_answered_with_the_names_that_are_allowed() -> None:
    tools = [RecordingTool(name).tool for name in ("weather", "search", "secret")]
    dispatcher = Dispatcher(Registry(tools), PluginSettings(deny=("secret",)))
    outcome = await run(dispatcher, call("wether"), Caller("s", "t", deny=["search"]))
    assert outcome.outcome == "unknown"
    assert outcome.text == (
        "There is no tool 'wether'; did you mean 'weather'? The tools are: weather."
    )
    assert (await run(Dispatcher(Registry()), call("x"))).text.endswith("There are no tools.")


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
    settings: dict[str, Any], caller: dict[str, Any]
) -> None:
    recording = RecordingTool()
    dispatcher = Dispatcher(Registry([recording.tool]), PluginSettings(**settings))
    outcome = await run(dispatcher, call("record"), Caller("s", "t", **caller))
    assert (outcome.outcome, outcome.attempts) == ("denied", 0)
    assert dispatcher.schemas(**caller) == ()
    assert recording.values == []


async def test_the_model_is_told_exactly_the_tools_that_may_be_called() -> None:
    tools = [RecordingTool(name).tool for name in ("a", "b", "c", "d")]
    dispatcher = Dispatcher(Registry(tools), PluginSettings(allow=("a", "b", "c"), deny=("a",)))
    told = dispatcher.schemas(allow=["a", "b", "d"])
    assert [schema.name for schema in told] == ["b"]
    for one in tools:
        outcome = await run(dispatcher, call(one), Caller("s", "t", allow=["a", "b", "d"]))
        assert outcome.outcome == ("ok" if one.name == "b" else "denied")


def guarded() -> Tool:
    @tool(needs_approval=True)
    async def pay(amount: int = 1) -> str:
        """Pays."""
        return "paid"

    return pay


async def asked(answer: Any) -> tuple[ToolOutcome, list[ToolCall]]:
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
async def test_only_an_approval_lets_a_guarded_tool_run(answer: Any, outcome: str) -> None:
    ended, questions = await asked(answer)
    assert ended.outcome == outcome
    assert len(questions) == 1


async def test_without_anybody_to_ask_a_guarded_tool_is_denied() -> None:
    assert (await outcome_of(guarded())).outcome == "denied"


async def test_nobody_is_asked_about_arguments_that_do_not_fit() -> None:
    async def approve(the_call: ToolCall, schema: ToolSchema) -> bool:
        pytest.fail("asked")

    dispatcher = Dispatcher(Registry([guarded()]))
    caller = Caller("s", "t", approve=approve)
    assert (await run(dispatcher, call("pay", '{"amount": "all"}'), caller)).outcome == "error"


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
    error: BaseException, text: str, blocking: bool
) -> None:
    failing = FailingTool(error, blocking=blocking, side_effect="once")
    outcome = await outcome_of(failing.tool)
    assert (outcome.outcome, outcome.text, outcome.attempts) == ("error", text, 1)


async def test_a_thread_that_raises_keyboard_interrupt_is_contained() -> None:
    failing = FailingTool(KeyboardInterrupt(), blocking=True)
    assert (await outcome_of(failing.tool)).text == UNEXPECTED


async def test_the_log_has_the_traceback_of_a_defect(caplog: pytest.LogCaptureFixture) -> None:
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
async def test_a_transient_error_is_tried_again(
    error: Exception, blocking: bool, side_effect: Any
) -> None:
    failing = FailingTool(error, error, blocking=blocking, side_effect=side_effect)
    outcome = await outcome_of(failing.tool, retries=2)
    assert (outcome.outcome, outcome.attempts, failing.tries) == ("ok", 3, 3)


@pytest.mark.parametrize("error", TRANSIENT)
async def test_a_tool_with_a_side_effect_is_never_tried_again(error: Exception) -> None:
    failing = FailingTool(error, side_effect="once")
    outcome = await outcome_of(failing.tool, retries=5)
    assert (outcome.outcome, outcome.attempts, failing.tries) == ("error", 1, 1)


async def test_other_errors_are_not_tried_again() -> None:
    failing = FailingTool(ToolError("No such place."))
    assert (await outcome_of(failing.tool, retries=5)).attempts == 1


@pytest.mark.parametrize("retries", [0, 3])
async def test_tries_end_with_the_last_error(retries: int) -> None:
    failing = FailingTool(*[ToolError("busy", transient=True)] * 9)
    outcome = await outcome_of(failing.tool, retries=retries)
    assert (outcome.outcome, outcome.text) == ("error", "busy")
    assert outcome.attempts == failing.tries == retries + 1


async def test_the_waits_between_tries_grow_at_most_to_their_bound() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    failing = FailingTool(*[TimeoutError()] * 9)
    await outcome_of(failing.tool, retries=8, sleep=sleep)
    assert len(waits) == 8
    assert all(0 <= wait <= min(0.25 * 2**n, 5.0) for n, wait in enumerate(waits))


async def test_all_tries_share_one_timeout() -> None:
    async def sleep(seconds: float) -> None:
        await anyio.sleep_forever()

    failing = FailingTool(TimeoutError())
    outcome = await outcome_of(failing.tool, timeout_s=SOON_S, sleep=sleep)
    assert (outcome.outcome, outcome.attempts) == ("timeout", 1)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("side_effect", ["none", "once"])
async def test_a_tool_that_hangs_ends_in_a_timeout(blocking: bool, side_effect: Any) -> None:
    slow = SlowTool(blocking=blocking, side_effect=side_effect, timeout_s=SOON_S)
    outcome = await outcome_of(slow.tool)
    slow.release()
    assert (outcome.outcome, outcome.attempts) == ("timeout", 1)
    assert outcome.text.startswith(f"The tool {slow.tool.name} did not answer within 0.05 seconds.")
    assert ("may still take effect" in outcome.text) is (side_effect == "once")


async def test_the_limit_of_the_settings_is_for_tools_without_one() -> None:
    slow = SlowTool()
    assert (await outcome_of(slow.tool, timeout_s=SOON_S)).outcome == "timeout"


async def test_a_blocking_tool_learns_that_nobody_waits_and_then_frees_its_thread() -> None:
    slow = SlowTool(blocking=True)
    dispatcher = Dispatcher(Registry([slow.tool]), threads_per_tool=1)
    async with anyio.create_task_group() as group:
        group.start_soon(run, dispatcher, call(slow.tool))
        await slow.began()
        group.cancel_scope.cancel()
    slow.release()
    assert (await run(dispatcher, call(slow.tool))).outcome == "ok"  # waits for the first thread
    assert slow.cancelled == [True, False]


async def test_a_hanging_tool_blocks_itself_and_no_other() -> None:
    slow = SlowTool(blocking=True, timeout_s=SOON_S)

    @tool
    def quick() -> str:
        """Answers from a thread."""
        return "here"

    dispatcher = Dispatcher(Registry([slow.tool, quick]), threads_per_tool=2)
    outcomes = [await run(dispatcher, call(slow.tool)) for _ in range(3)]
    assert [outcome.outcome for outcome in outcomes] == ["timeout"] * 3
    assert [outcome.attempts for outcome in outcomes] == [1, 1, 0]
    assert outcomes[2].text == (
        "The tool wait is busy with other calls, and was not free within 0.05 seconds."
    )
    assert (await run(dispatcher, call(quick))).outcome == "ok"
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


def test_one_dispatcher_serves_one_event_loop_after_another() -> None:
    slow = SlowTool("wait", blocking=True, timeout_s=SOON_S)
    recording = RecordingTool()
    dispatcher = Dispatcher(Registry([slow.tool, recording.tool]), threads_per_tool=1)
    for _ in range(3):
        assert anyio.run(run, dispatcher, call(recording.tool)).outcome == "ok"
        ended = anyio.run(run, dispatcher, call(slow.tool))
        assert (ended.outcome, ended.attempts) == ("timeout", 1)
    slow.release()


async def stopped(
    made: Tool, then: Callable[[], None], began: Awaitable[None], caller: Caller = CALLER
) -> tuple[list[ToolOutcome], bool]:
    """The reports of a call whose turn is cancelled once it began, and whether that went on."""
    reports: list[ToolOutcome] = []
    went_past = False

    async def turn() -> None:
        nonlocal went_past
        await Dispatcher(Registry([made])).run(call(made), caller, reports.append)
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
async def test_a_side_effect_that_began_is_seen_to_its_end(blocking: bool) -> None:
    slow = SlowTool(blocking=blocking, side_effect="once", result="sent")
    reports, went_past = await stopped(slow.tool, slow.release, slow.began())
    assert [(report.outcome, report.text) for report in reports] == [("ok", "sent")]
    assert not went_past


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_side_effect_that_hangs_is_waited_for_until_its_timeout(blocking: bool) -> None:
    slow = SlowTool(blocking=blocking, side_effect="once", timeout_s=SOON_S)
    reports, _ = await stopped(slow.tool, lambda: None, slow.began())
    assert [report.outcome for report in reports] == ["timeout"]
    slow.release()


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_side_effect_that_has_not_begun_does_not_begin_any_more(blocking: bool) -> None:
    slow = SlowTool(blocking=blocking, side_effect="once")
    reports: list[ToolOutcome] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Dispatcher(Registry([slow.tool])).run(call(slow.tool), CALLER, reports.append)
    assert [(report.outcome, report.attempts) for report in reports] == [("cancelled", 0)]
    assert slow.runs == 0


async def test_a_side_effect_that_waits_for_a_thread_can_be_cancelled() -> None:
    slow = SlowTool(blocking=True, side_effect="once")
    dispatcher = Dispatcher(Registry([slow.tool]), threads_per_tool=1)
    first: list[ToolOutcome] = []
    second: list[ToolOutcome] = []
    async with anyio.create_task_group() as group:
        group.start_soon(dispatcher.run, call(slow.tool), CALLER, first.append)
        await slow.began()
        with anyio.move_on_after(SOON_S):
            await dispatcher.run(call(slow.tool), CALLER, second.append)
        assert [report.outcome for report in second] == ["cancelled"]
        slow.release()
    assert [report.outcome for report in first] == ["ok"]
    assert slow.runs == 1


async def test_a_question_for_approval_can_be_cancelled() -> None:
    began = anyio.Event()

    async def approve(the_call: ToolCall, schema: ToolSchema) -> bool:
        began.set()
        await anyio.sleep_forever()
        return True

    caller = Caller("s", "t", approve=approve)
    reports, _ = await stopped(guarded(), lambda: None, began.wait(), caller)
    assert [report.outcome for report in reports] == ["cancelled"]


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(("side_effect", "outcome"), [("none", "cancelled"), ("once", "ok")])
async def test_a_task_cancelled_by_asyncio_itself_is_no_exception(
    side_effect: Any, outcome: str, blocking: bool
) -> None:
    slow = SlowTool(blocking=blocking, side_effect=side_effect)
    reports: list[ToolOutcome] = []
    dispatcher = Dispatcher(Registry([slow.tool]))
    task = asyncio.create_task(dispatcher.run(call(slow.tool), CALLER, reports.append))
    await slow.began()
    task.cancel()
    await checkpoint()
    slow.release()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [report.outcome for report in reports] == [outcome]


@pytest.mark.parametrize("blocking", [True, False])
async def test_progress_comes_in_the_event_loop_and_only_before_the_outcome(blocking: bool) -> None:
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
    assert contexts[0].cancelled  # nobody waits any more


async def test_a_blocking_tool_sees_the_context_variables_of_its_caller() -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")

    @tool
    def read() -> str:
        """Reads."""
        return request.get()

    request.set("r-1")
    assert (await outcome_of(read)).text == "r-1"


async def test_an_awaitable_from_a_plain_function_is_awaited() -> None:
    async def later() -> str:
        return "later"

    @tool
    def start() -> Any:
        """Starts."""
        return later()

    assert (await outcome_of(start)).text == "later"
