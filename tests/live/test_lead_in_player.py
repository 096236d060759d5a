"""A phrase is played while a slow tool runs."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import pytest

from assistant import tool
from assistant.config import LiveSettings
from assistant.engines.base import EngineRequest
from assistant.events import AudioChunk
from assistant.live.events import Interrupted, LeadInAudio
from assistant.messages import UserMessage
from tests.support.simulated_call import OpenCall

pytestmark = pytest.mark.anyio

CALL = "<tool_call>function\nwork\n{}</tool_call>"


def called(request: EngineRequest) -> list[str]:
    """Calls the tool; phrases are read aloud."""
    if request.task == "read":
        return [last_text(request)]
    return [CALL]


def last_text(request: EngineRequest) -> str:
    message = request.messages[-1]
    assert isinstance(message, UserMessage)
    return message.text


def slow_tool() -> tuple[Any, anyio.Event]:
    let_go = anyio.Event()

    @tool(side_effect="none", lead_in="I am working on it.")
    async def work() -> str:
        """Works."""
        await let_go.wait()
        return "Worked."

    return work, let_go


async def test_a_phrase_is_played_during_a_slow_tool(call: OpenCall) -> None:
    work, let_go = slow_tool()
    async with call(called, ["Done."], tools=[work], lead_ins=True) as line:
        line.live.say("Work")
        await line.silence(0.3)
        assert line.of(LeadInAudio) == []
        await line.silence(3.0)
        (phrase,) = line.of(LeadInAudio)
        assert phrase.text == "I am working on it."
        assert len(phrase.samples) > 0
        let_go.set()
        await line.silence(0.5)
        assert len(line.of(LeadInAudio)) == 1
        assert len(line.of(AudioChunk)) == 1


async def test_no_phrase_is_played_during_a_fast_tool(call: OpenCall) -> None:
    work, let_go = slow_tool()
    let_go.set()
    async with call(called, ["Done."], tools=[work], lead_ins=True) as line:
        line.live.say("Work")
        await line.silence(4.0)
        assert line.of(LeadInAudio) == []


async def test_a_model_with_a_lead_in_of_its_own_gets_no_phrase(call: OpenCall) -> None:
    work, let_go = slow_tool()
    async with call(["One moment. ", CALL], ["Done."], tools=[work], lead_ins=True) as line:
        line.live.say("Work")
        await line.silence(4.0)
        assert line.of(LeadInAudio) == []
        let_go.set()
        await line.settle()
        assert line.text() == "One moment. Done."


async def test_phrases_can_be_turned_off(call: OpenCall) -> None:
    work, _ = slow_tool()
    quiet = LiveSettings(lead_ins=False)
    async with call(called, ["Done."], tools=[work], lead_ins=True, live=quiet) as line:
        line.live.say("Work")
        await line.silence(4.0)
        assert line.of(LeadInAudio) == []


async def test_the_same_phrase_is_never_played_twice_in_a_row(call: OpenCall) -> None:
    work, _ = slow_tool()
    async with call(called, tools=[work], lead_ins=True) as line:
        for _ in range(4):
            line.live.say("Work")
            await line.silence(4.0)
        said = [phrase.text for phrase in line.of(LeadInAudio)]
        assert len(said) == 4
        assert all(one != other for one, other in itertools.pairwise(said))


async def test_the_phrase_does_not_count_as_played_audio_of_the_response(call: OpenCall) -> None:
    work, let_go = slow_tool()
    answer = "One two three four five six seven."
    async with call(called, [answer], tools=[work], lead_ins=True) as line:
        line.live.say("Work")
        await line.silence(2.0)
        (phrase,) = line.of(LeadInAudio)
        let_go.set()
        played = len(phrase.samples) / 24_000
        await line.silence(played)  # most of what has been played by now is the phrase
        assert line.live.stop()
        await line.settle()
        (cut,) = line.of(Interrupted)
        assert cut.seconds < 2.0
        assert answer.startswith(cut.text)
