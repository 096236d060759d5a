"""A speculative response starts at the first pause, and is played only if the turn ended there."""

from __future__ import annotations

from typing import Any

import pytest

from assistant import AssistantError, ToolResult, tool
from assistant.config import LiveSettings
from assistant.events import Failed, ToolCallFinished, Transcript
from assistant.live.events import ResponseEnded, ResponseStarted, SpeculationDiscarded, UserTurn
from tests.support.simulated_call import OpenCall, refusing_once

pytestmark = pytest.mark.anyio

CALL = "<tool_call>function\n{}\n{{}}</tool_call>"


async def test_a_speculative_response_is_ready_at_the_end_of_the_turn(call: OpenCall) -> None:
    async with call(["Hello."]) as line:
        await line.speak(1.0)
        await line.silence(0.4)
        assert len(line.engine.requests) == 1
        assert line.kinds() == ["SpeechStarted"]
        await line.silence(0.6)
        (started,) = line.of(ResponseStarted)
        assert started.speculated
        assert started.saved == pytest.approx(0.4, abs=0.1)
        assert len(line.engine.requests) == 1


async def test_without_speculation_the_response_starts_after_the_turn(call: OpenCall) -> None:
    async with call(["Hello."], live=LiveSettings(speculate_ms=0)) as line:
        await line.speak(1.0)
        await line.silence(0.5)
        assert line.engine.requests == []
        await line.silence(0.3)
        assert line.text() == "Hello."
        assert not line.of(ResponseStarted)[0].speculated


async def test_a_response_to_half_a_question_is_discarded(call: OpenCall) -> None:
    async with call(["To the half."], ["To the whole."]) as line:
        await line.speak(0.6)
        await line.silence(0.4)
        await line.speak(0.6)
        await line.silence(1.2)
        assert line.text() == "To the whole."
        assert line.said() == ["To the whole."]
        assert len(line.of(SpeculationDiscarded)) == 1
        history = line.session.history
        assert len(history) == 2
        (audio,) = line.of(UserTurn)[0].parts
        assert line.engine.requests[-1].messages[-1].parts == (audio,)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("words", "waits_s"),
    [
        ("what time is it in tokyo", 0.4),
        ("what time is it in", 0.8),
    ],
)
async def test_a_complete_sentence_needs_only_the_short_silence(
    call: OpenCall, words: str, waits_s: float
) -> None:
    async with call([Transcript(words), "Hello."]) as line:
        await line.speak(1.0)
        await line.silence(1.5)
        assert line.of(ResponseStarted)[0].waited == pytest.approx(waits_s, abs=0.08)


async def test_tools_without_side_effects_run_before_the_end_of_the_turn(call: OpenCall) -> None:
    ran: list[float] = []

    @tool(side_effect="none")
    async def look() -> str:
        """Looks something up."""
        ran.append(1.0)
        return "Seen."

    async with call([CALL.format("look")], ["I saw it."], tools=[look]) as line:
        await line.speak(1.0)
        await line.silence(0.4)
        assert ran == [1.0]
        assert line.of(ToolCallFinished) == []
        await line.silence(0.6)
        assert line.text() == "I saw it."


@pytest.mark.parametrize("side_effect", ["idempotent", "once"])
async def test_tools_with_side_effects_wait_for_the_end_of_the_turn(
    call: OpenCall, side_effect: Any
) -> None:
    ran: list[str] = []

    @tool(side_effect=side_effect)
    async def order() -> str:
        """Orders something."""
        ran.append("ordered")
        return "Ordered."

    async with call([CALL.format("order")], ["It is ordered."], tools=[order]) as line:
        await line.speak(1.0)
        await line.silence(0.5)
        assert ran == []
        await line.silence(0.6)
        assert ran == ["ordered"]
        assert line.text() == "It is ordered."


async def test_a_tool_of_a_discarded_response_runs_only_once(call: OpenCall) -> None:
    ran: list[str] = []

    @tool(side_effect="none")
    async def look() -> str:
        """Looks something up."""
        ran.append("looked")
        return "Seen."

    @tool(side_effect="once")
    async def order() -> str:
        """Orders something."""
        ran.append("ordered")
        return "Ordered."

    both = CALL.format("look") + CALL.format("order")
    async with call([both], [both], ["Done."], tools=[look, order]) as line:
        await line.speak(0.6)
        await line.silence(0.5)  # dropped while `order` waits
        await line.speak(0.6)
        await line.silence(1.2)
        assert sorted(ran) == ["looked", "ordered"]
        assert sorted(line.results()) == [("look", "ok"), ("order", "ok")]
        assert line.text() == "Done."


async def test_a_discarded_turn_does_not_switch_the_voice(call: OpenCall) -> None:
    @tool(side_effect="none")
    async def deepen() -> ToolResult:
        """Takes a deep voice."""
        return ToolResult("I speak deeply now.", voice="rms")

    async with call([CALL.format("deepen")], ["Yes."], ["No."], tools=[deepen]) as line:
        before = line.session.voice
        await line.speak(0.6)
        await line.silence(0.5)
        assert line.session.voice.id == "rms"
        await line.speak(0.6)
        await line.silence(0.02)
        assert line.session.voice == before


async def test_if_the_queue_is_full_at_the_pause_the_response_starts_later(
    call: OpenCall,
) -> None:
    full = AssistantError("too many turns are waiting already")
    async with call(["Hello."], admit=refusing_once(full)) as line:
        await line.speak(1.0)
        await line.silence(1.0)
        assert line.text() == "Hello."
        assert [ended.reason for ended in line.of(ResponseEnded)] == ["completed"]


async def test_if_the_queue_is_full_at_the_end_the_caller_reads_why(call: OpenCall) -> None:
    full = AssistantError("too many turns are waiting already")
    async with call(["Hello."], admit=refusing_once(full)) as line:
        line.live.say("Hi")
        await line.settle()
        assert line.of(Failed)[0].message == "too many turns are waiting already"
        assert [ended.reason for ended in line.of(ResponseEnded)] == ["failed"]
        line.live.say("Hi")
        await line.settle()
        assert line.text() == "Hello."
