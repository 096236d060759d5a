"""A user turn begins and ends by its audio alone."""

from __future__ import annotations

import pytest

from assistant.audio.samples import Audio
from assistant.config import LiveSettings
from assistant.events import TurnEnded
from assistant.live.events import (
    ResponseEnded,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    UserTurn,
)
from assistant.messages import AssistantMessage, ToolSchema
from tests.support.simulated_call import OpenCall

pytestmark = pytest.mark.anyio

ONE_TURN = [
    "SpeechStarted",
    "SpeechStopped",
    "UserTurn",
    "ResponseStarted",
    "TurnStarted",
    "TurnEnded",
    "ResponseEnded",
]


async def test_a_spoken_turn_gets_a_response_after_its_end(call: OpenCall) -> None:
    async with call(["Hello."]) as line:
        await line.silence(1.0)
        await line.speak(1.0)
        await line.silence(1.0)
        assert line.kinds() == ONE_TURN
        assert line.text() == "Hello."
        assert len(line.session.history) == 2


async def test_the_audio_of_a_turn_begins_before_the_speech_and_ends_after_it(
    call: OpenCall,
) -> None:
    async with call(["Hello."]) as line:
        await line.silence(1.0)
        await line.speak(1.0)
        await line.silence(1.0)
        (turn,) = line.of(UserTurn)
        (pcm,) = turn.parts
        assert isinstance(pcm, Audio)
        assert 0.6 <= turn.start <= 0.8  # 300 ms before
        assert 2.1 <= turn.end <= 2.4
        assert pcm.seconds == pytest.approx(turn.end - turn.start, abs=0.05)


async def test_minutes_of_silence_start_no_response(call: OpenCall) -> None:
    async with call(["Hello."]) as line:
        await line.silence(180.0)
        assert line.seen == []
        assert line.engine.requests == []


async def test_clicks_start_no_turn(call: OpenCall) -> None:
    async with call(["Hello."], live=LiveSettings(min_speech_ms=250)) as line:
        for _ in range(20):
            await line.speak(0.1)
            await line.silence(0.8)
        assert line.seen == []


async def test_a_pause_within_a_turn_does_not_end_it(call: OpenCall) -> None:
    async with call(["Hello."]) as line:
        await line.speak(0.7)
        await line.silence(0.4)
        await line.speak(0.6)
        await line.silence(1.2)
        assert [type(e) for _, e in line.seen].count(SpeechStarted) == 1
        (turn,) = line.of(UserTurn)
        assert turn.end - turn.start > 1.7


async def test_endless_speech_is_ended_at_the_limit_and_answered(call: OpenCall) -> None:
    async with call(["Hello."], live=LiveSettings(max_user_turn_s=5.0, interrupt=False)) as line:
        await line.speak(12.0)
        turns = line.of(UserTurn)
        assert len(turns) == 2
        assert all(turn.end - turn.start <= 5.5 for turn in turns)
        assert len(line.of(TurnEnded)) == 2


async def test_two_people_who_speak_at_once_are_one_turn(call: OpenCall) -> None:
    async with call(["Hello."]) as line:
        for seconds in (0.7, 0.4, 1.1, 0.3):  # they overlap
            await line.speak(seconds)
            await line.silence(0.15)
        await line.silence(1.0)
        assert len(line.of(UserTurn)) == 1


async def test_a_turn_ends_if_no_more_audio_arrives(call: OpenCall) -> None:
    async with call(["Hello."]) as line:
        await line.speak(1.0)
        await line.clock.advance(3.0)  # no packets at all
        assert line.kinds() == ONE_TURN


async def test_late_packets_in_a_burst_are_detected_as_if_they_were_in_time(
    call: OpenCall,
) -> None:
    async with call(["Hello."]) as line:
        await line.speak(0.5)
        await line.clock.advance(0.4)
        line.live.push_audio(line.noise(0.4))
        await line.speak(0.2)
        await line.silence(1.0)
        (turn,) = line.of(UserTurn)
        assert turn.end - turn.start == pytest.approx(1.3, abs=0.1)


async def test_the_caller_can_end_a_turn(call: OpenCall) -> None:
    async with call(["Hello."], manual=True) as line:
        assert not line.live.commit()
        await line.speak(0.4)
        await line.silence(3.0)
        assert line.seen == []
        assert line.live.commit()
        await line.settle()
        assert line.kinds() == ["UserTurn"]  # a response only on request
        assert line.live.respond()
        await line.settle()
        assert line.text() == "Hello."
        assert line.of(UserTurn)[0].end == pytest.approx(3.4, abs=0.1)


async def test_cleared_audio_is_in_no_turn(call: OpenCall) -> None:
    async with call(["Hello."], manual=True) as line:
        await line.speak(0.4)
        line.live.clear()
        assert not line.live.commit()


async def test_a_turn_may_be_recorded_without_a_response(call: OpenCall) -> None:
    async with call(["Hello."], auto_respond=False) as line:
        await line.speak(0.8)
        await line.silence(1.0)
        assert line.kinds() == ["SpeechStarted", "SpeechStopped", "UserTurn"]
        assert len(line.session.history) == 1
        assert line.engine.requests == []


async def test_the_response_delay_is_counted_from_the_end_of_speech(call: OpenCall) -> None:
    async with call(["Hello."]) as line:
        await line.speak(0.8)
        await line.silence(1.5)
        (started,) = line.of(ResponseStarted)
        assert started.waited == pytest.approx(0.6, abs=0.1)  # no transcript: half-way


async def test_typed_text_gets_a_response_at_once(call: OpenCall) -> None:
    async with call(["Hello."], ["And again."]) as line:
        line.live.say("Hi")
        await line.settle()
        assert line.kinds() == ["UserTurn", *ONE_TURN[3:]]
        assert line.of(UserTurn)[0].parts == ("Hi",)


async def test_the_settings_can_change_during_a_conversation(call: OpenCall) -> None:
    async with call(["Hello."]) as line:
        line.live.configure(LiveSettings(silence_ms=2_000, long_silence_ms=2_000))
        await line.speak(0.8)
        await line.silence(1.5)
        assert line.of(SpeechStopped) == []
        await line.silence(1.0)
        assert len(line.of(SpeechStopped)) == 1


async def test_a_response_has_only_its_own_messages_if_a_call_was_open_before(
    call: OpenCall,
) -> None:
    at_client = ToolSchema("light", "Switches it.", {"type": "object", "properties": {}})
    calls = "<tool_call>function\nlight\n{}</tool_call>"
    async with call([calls], ["It is on."], client_tools=[at_client]) as line:
        line.live.say("Light")
        await line.settle()
        line.live.say("Well?")  # and no result
        await line.settle()
        _, second = line.of(ResponseEnded)
        assert [type(message) for message in second.messages] == [AssistantMessage]
