"""Speech over a response stops it, and the history has what was played of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from assistant import tool
from assistant.audio.samples import Audio
from assistant.config import LiveSettings
from assistant.events import ToolCallFinished
from assistant.live.events import (
    Interrupted,
    ResponseEnded,
    ResponsePaused,
    ResponseResumed,
    ResponseStarted,
    SpeechStarted,
)
from assistant.messages import UserMessage
from assistant.testing.scripted import SECONDS_A_CHARACTER
from tests.support.simulated_call import OpenCall

pytestmark = pytest.mark.anyio

LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."
CALL = "<tool_call>function\n{}\n{{}}</tool_call>"


async def test_speech_over_a_response_stops_it_within_200_ms(call: OpenCall) -> None:
    async with call([LONG], ["Yes?"]) as line:
        line.live.say("Count")
        await line.silence(1.0)
        onset = line.clock.now()
        await line.speak(0.6)
        at, _ = line.timed(Interrupted)[0]
        assert at - onset <= 0.2 + 0.05  # the frame that is not complete yet


async def test_the_history_holds_what_was_played_and_no_more(call: OpenCall) -> None:
    async with call([LONG], ["Yes?"]) as line:
        line.live.say("Count")
        await line.silence(1.0)
        await line.speak(1.0)
        (cut,) = line.of(Interrupted)
        assert cut.seconds == pytest.approx(1.2, abs=0.1)
        assert LONG.startswith(cut.text)
        spoken = len(cut.text) * SECONDS_A_CHARACTER
        assert cut.seconds - 0.4 <= spoken <= cut.seconds  # whole words
        assert line.said() == [cut.text]
        await line.silence(1.0)
        assert line.said() == [cut.text, "Yes?"]
        users = [m for m in line.session.history if isinstance(m, UserMessage)]
        assert isinstance(users[-1].parts[0], Audio)


async def test_generation_stops_with_the_audio(call: OpenCall) -> None:
    thinking = anyio.Event()
    async with call([LONG, thinking.wait, "Not said."], ["Yes?"]) as line:
        line.live.say("Count")
        await line.silence(0.5)
        await line.speak(0.5)
        (ended,) = line.of(ResponseEnded)
        assert ended.reason == "interrupted"
        assert ended.ended.reason == "cancelled"
        thinking.set()
        await line.silence(1.2)
        assert line.text() == LONG + "Yes?"


async def test_pausable_audio_pauses_at_once(call: OpenCall) -> None:
    async with call([LONG], pausable=True) as line:
        line.live.say("Count")
        await line.silence(1.0)
        onset = line.clock.now()
        await line.speak(0.2)
        at, _ = line.timed(ResponsePaused)[0]
        assert at - onset <= 0.15
        assert line.of(SpeechStarted) == []


async def test_after_a_cough_the_response_resumes_where_it_stopped(call: OpenCall) -> None:
    async with call([LONG], pausable=True) as line:
        line.live.say("Count")
        await line.silence(1.0)
        await line.speak(0.2)
        await line.silence(0.5)
        assert len(line.of(ResponsePaused)) == len(line.of(ResponseResumed)) == 1
        assert line.of(Interrupted) == line.of(SpeechStarted) == []
        assert line.said() == [LONG]
        whole = len(LONG) * SECONDS_A_CHARACTER
        await line.silence(whole - 1.7 + 0.2)
        assert line.live.playing  # it was silent for a while, and ends later by that time
        await line.silence(0.7)
        assert not line.live.playing


async def test_an_interruption_of_a_paused_response_counts_no_audio_after_the_pause_as_played(
    call: OpenCall,
) -> None:
    async with call([LONG], ["Yes?"], pausable=True) as line:
        line.live.say("Count")
        await line.silence(1.0)
        await line.speak(1.0)
        (cut,) = line.of(Interrupted)
        assert cut.seconds == pytest.approx(1.1, abs=0.08)
        assert len(line.of(SpeechStarted)) == 1
        assert line.of(ResponseResumed) == []


async def test_speech_after_the_audio_has_ended_is_no_interruption(call: OpenCall) -> None:
    async with call(["Short."], ["And?"], pausable=True) as line:
        line.live.say("Hi")
        await line.silence(1.0)
        await line.speak(0.8)
        await line.silence(1.2)
        assert line.of(Interrupted) == line.of(ResponsePaused) == []
        assert line.said() == ["Short.", "And?"]


async def test_speech_that_begins_at_the_very_end_is_a_turn_of_its_own(call: OpenCall) -> None:
    async with call(["Short."], ["And?"], pausable=True) as line:
        line.live.say("Hi")
        await line.silence(0.24)
        await line.speak(0.8)
        await line.silence(1.2)
        assert line.said()[-1] == "And?"
        assert len(line.of(SpeechStarted)) == 1


async def test_interruptions_can_be_turned_off(call: OpenCall) -> None:
    async with call([LONG], ["Later."], live=LiveSettings(interrupt=False)) as line:
        line.live.say("Count")
        await line.silence(1.0)
        await line.speak(0.8)
        await line.silence(1.5)
        assert line.of(Interrupted) == []
        assert line.said() == [LONG, "Later."]


async def test_a_caller_that_knows_what_was_played_overrides_the_estimate(call: OpenCall) -> None:
    async with call([LONG]) as line:
        line.live.say("Count")
        await line.silence(3.0)
        (started,) = line.of(ResponseStarted)
        assert line.live.truncate(started.response_id, 0.45) == "One two"
        assert line.said() == ["One two"]
        assert line.live.truncate(started.response_id, 1.0) == "One two three four"
        assert line.live.truncate("another", 1.0) is None


async def test_the_player_can_report_its_position(call: OpenCall) -> None:
    async with call([LONG], ["Yes?"]) as line:
        line.live.say("Count")
        await line.silence(2.0)
        (started,) = line.of(ResponseStarted)
        line.live.played(started.response_id, 0.5)  # a slow network
        await line.speak(1.0)
        (cut,) = line.of(Interrupted)
        assert cut.seconds == pytest.approx(0.6, abs=0.1)


async def test_the_stop_button_truncates_the_response(call: OpenCall) -> None:
    async with call([LONG]) as line:
        line.live.say("Count")
        await line.silence(1.0)
        assert line.live.stop()
        await line.settle()
        assert not line.live.stop()
        assert line.of(Interrupted)[0].text == "One two three four"


async def test_typed_text_stops_the_response(call: OpenCall) -> None:
    async with call([LONG], ["Stopped."]) as line:
        line.live.say("Count")
        await line.silence(1.0)
        line.live.say("Stop")
        await line.settle()
        assert line.said() == ["One two three four", "Stopped."]


Held = Callable[[Any], tuple[Any, anyio.Event, list[str]]]


def held_tool(side_effect: Any) -> tuple[Any, anyio.Event, list[str]]:
    """A tool that works until it is let go; what became of it."""
    let_go, done = anyio.Event(), list[str]()

    @tool(side_effect=side_effect)
    async def work() -> str:
        """Works."""
        done.append("began")
        try:
            await let_go.wait()
        except anyio.get_cancelled_exc_class():
            done.append("cancelled")
            raise
        done.append("finished")
        return "Worked."

    return work, let_go, done


@pytest.mark.parametrize("side_effect", ["none", "idempotent"])
async def test_an_interruption_cancels_a_tool_without_side_effects(
    call: OpenCall, side_effect: Any
) -> None:
    work, _, done = held_tool(side_effect)
    async with call([CALL.format("work")], ["Yes?"], tools=[work]) as line:
        line.live.say("Work")
        await line.silence(0.5)
        await line.speak(0.5)
        assert done == ["began", "cancelled"]
        assert line.results() == [("work", "cancelled")]
        await line.silence(1.2)
        assert line.text() == "Yes?"


async def test_a_tool_that_must_run_once_finishes_and_the_next_turn_waits(
    call: OpenCall,
) -> None:
    work, let_go, done = held_tool("once")
    async with call([CALL.format("work")], ["Yes?"], tools=[work]) as line:
        line.live.say("Work")
        await line.silence(0.5)
        await line.speak(0.5)
        await line.silence(1.2)
        assert done == ["began"]
        assert line.text() == ""
        let_go.set()
        await line.settle()
        assert done == ["began", "finished"]
        assert line.results() == [("work", "ok")]
        assert [finished.outcome for finished in line.of(ToolCallFinished)] == ["ok"]
        assert line.text() == "Yes?"


async def test_a_response_interrupted_before_its_first_audio_leaves_no_words(
    call: OpenCall,
) -> None:
    thinking = anyio.Event()
    async with call([thinking.wait, LONG], ["Yes?"]) as line:
        await line.speak(0.8)
        await line.silence(1.0)
        await line.speak(0.8)
        thinking.set()
        await line.silence(1.2)
        assert line.text() == "Yes?"
        assert [text for text in line.said() if text] == ["Yes?"]


async def test_closing_stops_running_responses(call: OpenCall) -> None:
    work, _, done = held_tool("none")
    async with call([CALL.format("work")], tools=[work]) as line:
        line.live.say("Work")
        await line.settle()
    assert done == ["began", "cancelled"]
