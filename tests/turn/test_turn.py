"""What a turn does, seen through Session.ask, with a scripted engine."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assistant import Assistant, Audio, Session, Settings, ToolContext, ToolError, ToolResult, tool
from assistant.audio.voice import Voice
from assistant.engines.base import Finish, Speech
from assistant.errors import AssistantError, AudioError, EngineError, LibraryError
from assistant.events import Event, Transcript
from assistant.messages import (
    AssistantMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
    open_calls,
)
from assistant.plugins import Tool
from assistant.testing import ScriptedEngine
from tests.support.tool_calls import call

pytestmark = pytest.mark.anyio


def open_assistant(settings: Settings, engine: ScriptedEngine, *tools: Tool) -> Assistant:
    return Assistant(settings, engine=engine, tools=tools)


async def turn(session: Session, question: str | Audio = "hello") -> list[Event]:
    return [event async for event in session.ask(question)]


def types(events: list[Event]) -> list[str]:
    kinds = [event.type for event in events]
    return [
        kind for at, kind in enumerate(kinds) if kind != "audio" and kinds[at - 1 : at] != [kind]
    ]


@tool(side_effect="none")
async def echo(text: str) -> str:
    """Says the text again."""
    return f"echo {text}"


async def test_an_answer_without_tools_is_streamed_between_start_and_end(
    settings: Settings,
) -> None:
    async with open_assistant(settings, ScriptedEngine(["Hel", "lo."])) as assistant:
        events = await turn(assistant.session())
    kinds = [event.type for event in events]
    assert kinds == ["turn_started", "text_delta", "audio", "text_delta", "audio", "turn_ended"]
    end = events[-1]
    assert (end.reason, end.text) == ("completed", "Hello.")
    first, second = events[2], events[4]
    assert (first.start, second.start) == (0.0, first.seconds)
    assert end.audio_seconds == pytest.approx(first.seconds + second.seconds)
    assert 0 < end.latency.first_text <= end.latency.first_audio <= end.latency.total


async def test_a_lead_in_its_call_and_its_result_are_in_the_history_for_the_next_step(
    settings: Settings,
) -> None:
    engine = ScriptedEngine(["One moment. ", call("echo", text="a")], ["It says a."])
    async with open_assistant(settings, engine, echo) as assistant:
        session = assistant.session()
        events = await turn(session, "say a")
    assert types(events) == [
        "turn_started",
        "text_delta",
        "tool_call_started",
        "tool_call_finished",
        "text_delta",
        "turn_ended",
    ]
    assert events[-1].text == "One moment. It says a."
    _, user, lead_in, result = engine.requests[1].messages
    assert user == UserMessage(("say a",))
    assert lead_in.text == "One moment. "
    assert (result.call, result.outcome, result.text) == (lead_in.calls[0], "ok", "echo a")
    assert session.history[-1] == AssistantMessage("It says a.")


@pytest.mark.parametrize(
    ("lead_in", "answer", "text"),
    [
        ("One moment.", "It says a.", "One moment. It says a."),
        ("One moment. ", "It says a.", "One moment. It says a."),
        ("请稍等。", "是的。", "请稍等。是的。"),
    ],
)
async def test_lead_in_and_answer_read_as_two_sentences(
    settings: Settings, lead_in: str, answer: str, text: str
) -> None:
    engine = ScriptedEngine([lead_in, call("echo", text="a")], [answer])
    async with open_assistant(settings, engine, echo) as assistant:
        session = assistant.session()
        events = await turn(session)
    assert events[-1].text == text
    assert "".join(event.text for event in events if event.type == "text_delta") == text
    assert [m.text for m in session.history if isinstance(m, AssistantMessage)] == [lead_in, answer]


async def test_calls_of_one_turn_run_at_the_same_time(settings: Settings) -> None:
    waiting = 0
    all_here = anyio.Event()

    @tool
    async def meet(number: int) -> str:
        """Returns once four of it run at the same time."""
        nonlocal waiting
        waiting += 1
        if waiting == 4:
            all_here.set()
        await all_here.wait()
        return str(number)

    engine = ScriptedEngine(["".join(call("meet", number=n) for n in range(4))], ["Done."])
    async with open_assistant(settings, engine, meet) as assistant:
        with anyio.fail_after(10):
            await turn(assistant.session())
    results = [m.text for m in engine.requests[1].messages if isinstance(m, ToolMessage)]
    assert results == ["0", "1", "2", "3"]  # in the order of the calls


async def test_the_same_call_twice_in_a_turn_runs_once(settings: Settings) -> None:
    runs: list[str] = []

    @tool
    async def order(item: str, count: int = 1) -> str:
        """Orders something."""
        runs.append(item)
        return f"ordered {count} {item}"

    twice = call("order", item="tea", count=1) + call("order", count=1, item="tea")
    engine = ScriptedEngine([twice], [call("order", item="tea", count=1)], ["Done."])
    async with open_assistant(settings, engine, order) as assistant:
        session = assistant.session()
        await turn(session)
        assert runs == ["tea"]
        results = [m.text for m in session.history if isinstance(m, ToolMessage)]
        assert results == ["ordered 1 tea"] * 3
        await turn(session)  # the script repeats its last step: no call
        assert runs == ["tea"]


async def test_the_same_call_in_another_turn_runs_again(settings: Settings) -> None:
    runs: list[str] = []

    @tool
    async def press() -> str:
        """Presses the button."""
        runs.append("press")
        return "pressed"

    script = [call("press")], ["One."], [call("press")], ["Two."]
    async with open_assistant(settings, ScriptedEngine(*script), press) as assistant:
        session = assistant.session()
        await turn(session)
        await turn(session)
    assert runs == ["press", "press"]


async def test_the_engine_gets_no_tools_after_the_cap_and_answers(
    settings: Settings,
) -> None:
    def step(request: Any) -> list[str]:
        return [call("echo", text=str(len(request.messages)))] if request.tools else ["Enough."]

    engine = ScriptedEngine(step)
    async with open_assistant(settings, engine, echo) as assistant:
        events = await turn(assistant.session())
    assert [bool(request.tools) for request in engine.requests] == [True] * 5 + [False]
    assert (events[-1].reason, events[-1].text) == ("completed", "Enough.")


async def test_an_engine_that_never_stops_calling_fails_the_turn_and_runs_nothing_more(
    settings: Settings,
) -> None:
    def step(request: Any) -> list[str]:
        return [call("echo", text=str(len(request.messages)))]

    async with open_assistant(settings, ScriptedEngine(step), echo) as assistant:
        session = assistant.session()
        events = await turn(session)
    assert events[-1].reason == "failed"
    assert events[-2].message == "no answer after 5 rounds of tool calls"
    outcomes = [m.outcome for m in session.history if isinstance(m, ToolMessage)]
    assert outcomes == ["ok"] * 5 + ["denied"]


async def test_every_kind_of_bad_call_goes_back_to_the_engine_as_its_outcome(
    settings: Settings,
) -> None:
    @tool
    async def refuse() -> str:
        """Always fails."""
        raise ToolError("The shop is closed.")

    @tool
    async def crash() -> str:
        """Has a defect."""
        raise ZeroDivisionError("secret detail")

    broken = "<tool_call>function\necho\n{broken</tool_call>"
    calls = call("refuse") + call("crash") + call("ecko", text="a") + call("echo", t=1) + broken
    engine = ScriptedEngine([calls], ["So be it."])
    async with open_assistant(settings, engine, echo, refuse, crash) as assistant:
        events = await turn(assistant.session())
    assert events[-1].reason == "completed"
    messages = [m for m in engine.requests[1].messages if isinstance(m, ToolMessage)]
    outcomes = [message.outcome for message in messages]
    assert outcomes == ["error", "error", "unknown", "error", "error"]
    assert messages[0].text == "The shop is closed."
    assert "secret" not in messages[1].text
    assert "echo" in messages[2].text
    assert "text" in messages[3].text


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (EngineError("out of memory"), "out of memory"),
        (RuntimeError("defect"), "The engine scripted failed unexpectedly."),
    ],
)
async def test_an_engine_that_fails_ends_the_turn_and_the_session_continues(
    settings: Settings, failure: Exception, message: str
) -> None:
    never = anyio.Event()

    @tool
    async def hang() -> str:
        """Never answers."""
        await never.wait()
        return ""

    engine = ScriptedEngine(["Well, ", call("hang"), failure], ["Again here."])
    async with open_assistant(settings, engine, hang) as assistant:
        session = assistant.session()
        with anyio.fail_after(10):
            events = await turn(session)
        assert types(events)[-3:] == ["tool_call_finished", "failed", "turn_ended"]
        assert (events[-2].message, events[-1].reason) == (message, "failed")
        assert not open_calls(session.history)
        assert session.history[-1].outcome == "cancelled"
        assert (await turn(session))[-1].text == "Again here."


async def test_a_tool_changes_the_voice_of_what_follows_and_can_go_back(
    settings: Settings,
) -> None:
    @tool
    async def voice(voice: str) -> ToolResult:
        """Changes the voice."""
        return ToolResult(f"voice {voice}", voice=voice)

    engine = ScriptedEngine(
        [call("voice", voice="slt") + call("voice", voice="awb")],
        ["Deep."],
        [call("voice", voice="default")],
        ["Normal."],
        [call("voice", voice="nobody")],
        ["Sorry."],
    )
    async with open_assistant(settings, engine, voice) as assistant:
        session = assistant.session()
        events = await turn(session)
        assert [e.voice for e in events if e.type == "voice_changed"] == ["slt", "awb"]
        assert engine.requests[1].voice == assistant.library.get("awb") == session.voice
        events = await turn(session)
        assert [e.voice for e in events if e.type == "voice_changed"] == ["default"]
        assert engine.requests[3].voice == Voice()
        events = await turn(session)
        assert "voice_changed" not in types(events)
        assert engine.requests[5].messages[-1].outcome == "error"


async def test_the_engines_transcript_is_in_the_history(settings: Settings) -> None:
    engine = ScriptedEngine([Transcript("what time is it"), "Noon."])
    pcm = Audio(np.zeros(16_000, np.float32), 16_000)
    async with open_assistant(settings, engine) as assistant:
        session = assistant.session()
        events = await turn(session, pcm)
    assert types(events) == ["turn_started", "transcript", "text_delta", "turn_ended"]
    assert session.history[0] == UserMessage((pcm,), "what time is it")
    assert session.history[0].text == "what time is it"


async def test_the_ids_that_an_engine_generated_are_passed_back_to_it(settings: Settings) -> None:
    engine = ScriptedEngine(["Hi.", Finish("stop", (1, 2, 3))], ["Bye."])
    async with open_assistant(settings, engine) as assistant:
        session = assistant.session()
        await turn(session)
        await turn(session)
    assert engine.requests[1].messages[2] == AssistantMessage("Hi.", (), (1, 2, 3))


async def test_progress_of_a_running_tool_is_an_event(settings: Settings) -> None:
    @tool
    def count(context: ToolContext) -> str:
        """Counts."""
        context.progress("halfway")
        return "done"

    engine = ScriptedEngine([call("count")], ["Done."])
    async with open_assistant(settings, engine, count) as assistant:
        events = await turn(assistant.session())
    (progress,) = [event for event in events if event.type == "tool_progress"]
    assert (progress.name, progress.text) == ("count", "halfway")


async def test_the_tool_lists_of_a_session_decide_what_the_engine_can_call(
    settings: Settings,
) -> None:
    engine = ScriptedEngine([call("echo", text="a")], ["Denied."])
    async with open_assistant(settings, engine, echo) as assistant:
        await turn(assistant.session(deny=["echo"]))
        denied = engine.requests[1].messages[-1]
        assert denied.outcome == "denied"
        assert "echo" not in [schema.name for schema in engine.requests[0].tools]
        await turn(assistant.session(allow=["echo"]))
        assert [schema.name for schema in engine.requests[2].tools] == ["echo"]


async def test_approval_is_requested_before_a_tool_that_needs_it(settings: Settings) -> None:
    runs: list[str] = []

    @tool(needs_approval=True)
    async def pay(amount: int) -> str:
        """Pays."""
        runs.append(f"paid {amount}")
        return runs[-1]

    asked: list[str] = []

    async def approve(call: ToolCall, schema: Any) -> bool:
        asked.append(call.arguments)
        return json.loads(call.arguments)["amount"] < 10

    script = [call("pay", amount=5) + call("pay", amount=50)], ["Paid."]
    async with open_assistant(settings, ScriptedEngine(*script), pay) as assistant:
        session = assistant.session(approve=approve)
        await turn(session)
        assert runs == ["paid 5"]
        assert len(asked) == 2
        outcomes = [m.outcome for m in session.history if isinstance(m, ToolMessage)]
        assert outcomes == ["ok", "denied"]
        unattended = assistant.session()
        await turn(unattended)
        outcomes = [m.outcome for m in unattended.history if isinstance(m, ToolMessage)]
        assert outcomes == ["denied", "denied"]


@given(after=st.integers(1, 9), by_reader=st.booleans())
@hypothesis_settings(
    max_examples=24, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_a_turn_cancelled_at_any_point_leaves_a_consistent_history(
    settings: Settings, after: int, by_reader: bool
) -> None:
    async def slow(text: str) -> str:
        """Takes a moment."""
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        return text

    engine = ScriptedEngine(
        ["One. ", call("slow", text="a"), call("slow", text="b"), call("slow", text="a"), "Two."],
        ["Three."],
    )
    async with open_assistant(settings, engine, tool(side_effect="none")(slow)) as assistant:
        session = assistant.session()
        events: list[Event] = []
        async with aclosing(session.ask("go")) as stream:
            async for event in stream:
                events.append(event)
                if len(events) == after:
                    if by_reader:
                        break
                    await session.cancel()
        if not by_reader and events[-1].reason == "cancelled":
            started = [e.call_id for e in events if e.type == "tool_call_started"]
            finished = [e.call_id for e in events if e.type == "tool_call_finished"]
            assert sorted(started) == sorted(finished)
        assert not open_calls(session.history)
        assert isinstance(session.history[0], UserMessage)
        ended = (await turn(session))[-1]
        assert ended.reason == "completed"
        assert not open_calls(session.history)


async def test_a_slow_reader_slows_the_engine(settings: Settings) -> None:
    made = 0

    def step(request: Any) -> Any:
        nonlocal made
        for _ in range(1_000):
            made += 1
            yield Speech(np.zeros(10, np.int16))

    async with open_assistant(settings, ScriptedEngine(step)) as assistant:
        stream = assistant.session().ask("go")
        await anext(stream)
        for _ in range(1_000):
            await anyio.lowlevel.checkpoint()
        assert made < 100
        await stream.aclose()


async def test_a_second_turn_at_the_same_time_is_refused(settings: Settings) -> None:
    async with open_assistant(settings, ScriptedEngine(["Hello."])) as assistant:
        session = assistant.session()
        async with aclosing(session.ask("one")) as first:
            await anext(first)
            with pytest.raises(AssistantError, match="still running"):
                await turn(session, "two")
        assert (await turn(session, "three"))[-1].reason == "completed"


async def test_thousands_of_sessions_share_one_engine(settings: Settings) -> None:
    def step(request: Any) -> list[str]:
        return [f"You said {request.messages[-1].text}."]

    answers: dict[int, str] = {}
    async with open_assistant(settings, ScriptedEngine(step)) as assistant:

        async def converse(number: int) -> None:
            events = await turn(assistant.session(speak=False), str(number))
            answers[number] = events[-1].text

        async with anyio.create_task_group() as tasks:
            for number in range(2_000):
                tasks.start_soon(converse, number)
    assert answers == {number: f"You said {number}." for number in range(2_000)}


async def test_closing_the_assistant_ends_its_turns_and_closes_the_engine(
    settings: Settings,
) -> None:
    never = anyio.Event()
    engine = ScriptedEngine(["Hello ", never.wait])
    with anyio.fail_after(10):
        async with open_assistant(settings, engine) as assistant:
            session = assistant.session()
            stream = session.ask("go")
            assert [(await anext(stream)).type for _ in range(2)] == ["turn_started", "text_delta"]
        rest = [event async for event in stream]
    assert rest[-1].reason == "cancelled"
    assert session.history[-1] == AssistantMessage("Hello ")
    assert engine.closed


@pytest.mark.parametrize("question", ["", "  \n"])
async def test_empty_input_is_an_error_before_the_turn(settings: Settings, question: str) -> None:
    async with open_assistant(settings, ScriptedEngine()) as assistant:
        with pytest.raises(AssistantError, match="nothing was asked"):
            await turn(assistant.session(), question)


async def test_audio_that_can_not_be_used_is_an_error_before_the_turn(
    settings: Settings, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"max_audio_s": 1.0})
    async with open_assistant(settings, ScriptedEngine(["Hi."])) as assistant:
        session = assistant.session()
        with pytest.raises(AudioError, match="the limit is 1"):
            await turn(session, Audio(np.zeros(16_001, np.float32), 16_000))
        with pytest.raises(AudioError, match="no such file"):
            [event async for event in session.ask(tmp_path / "none.wav")]
        assert session.history == []
        assert (await turn(session))[-1].reason == "completed"


async def test_an_error_in_the_block_of_an_assistant_is_raised_unchanged(
    settings: Settings,
) -> None:
    engine = ScriptedEngine()
    with pytest.raises(LibraryError, match="nobody"):
        async with open_assistant(settings, engine) as assistant:
            assistant.session(voice="nobody")
    assert engine.closed


async def test_a_session_of_a_closed_assistant_is_an_error_that_says_so(settings: Settings) -> None:
    async with open_assistant(settings, ScriptedEngine(["Hi."])) as assistant:
        session = assistant.session()
    with pytest.raises(AssistantError, match="not open"):
        await turn(session)
    with pytest.raises(AssistantError, match="not open"):
        Assistant(settings).session()
