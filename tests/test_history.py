"""History: the only writer of a conversation's messages, and the rules of its methods."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.audio.samples import Audio
from assistant.history import NO_RESULT, RESULT_REMOVED, History
from assistant.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)

LOOKUP = ToolCall("c1", "lookup", '{"order": 7}')
REFUND = ToolCall("c2", "refund")


def spoken(transcript: str = "") -> UserMessage:
    return UserMessage((Audio(np.zeros(160, np.float32), 16_000),), transcript)


def with_calls(*calls: ToolCall) -> History:
    return History([UserMessage(("Where is it?",)), AssistantMessage("Let me see.", calls)])


class TestIds:
    def test_every_message_has_an_id_of_its_own(self) -> None:
        messages: list[Message] = [UserMessage(("a",)), AssistantMessage("a"), SystemMessage("a")]
        assert len({message.id for message in messages}) == 3

    def test_messages_with_the_same_content_are_equal_whatever_their_ids(self) -> None:
        assert UserMessage(("a",)) == UserMessage(("a",))

    def test_a_message_keeps_its_id_when_it_is_transcribed_truncated_or_loses_its_audio(
        self,
    ) -> None:
        history = History([spoken(), AssistantMessage("It is on its way.")])
        ids = [message.id for message in history]
        history.transcribe("where is it")
        history.truncate(ids[1], "It is")
        history.forget_audio(keep=0)
        assert [message.id for message in history] == ids
        assert history == [UserMessage(("where is it",)), AssistantMessage("It is")]


class TestCalls:
    def test_an_open_call_is_one_without_an_outcome(self) -> None:
        history = with_calls(LOOKUP, REFUND)
        history.append(ToolMessage(LOOKUP, "ok", "on its way"))
        assert history.open_calls() == [REFUND]

    def test_a_result_follows_its_call_and_the_outcomes_that_are_there(self) -> None:
        history = with_calls(LOOKUP, REFUND)
        history.append(ToolMessage(REFUND, "ok", "done"))
        history.append(UserMessage(("Well?",)))
        assert history.answer_call("c1", "on its way")
        assert history[2:4] == [
            ToolMessage(REFUND, "ok", "done"),
            ToolMessage(LOOKUP, "ok", "on its way"),
        ]

    def test_closing_open_calls_records_that_the_client_gave_no_result(self) -> None:
        history = with_calls(LOOKUP, REFUND)
        history.close_open_calls()
        assert history[2:] == [
            ToolMessage(LOOKUP, "cancelled", NO_RESULT),
            ToolMessage(REFUND, "cancelled", NO_RESULT),
        ]

    def test_a_late_result_replaces_the_outcome_that_stood_in_for_it(self) -> None:
        history = with_calls(LOOKUP)
        history.close_open_calls()
        assert history.answer_call("c1", "on its way")
        assert history[2:] == [ToolMessage(LOOKUP, "ok", "on its way")]

    def test_a_result_without_a_call_changes_nothing(self) -> None:
        history = with_calls(LOOKUP)
        assert not history.answer_call("unknown", "x")
        assert history == with_calls(LOOKUP)

    def test_the_latest_of_two_calls_with_the_same_id_is_answered(self) -> None:
        history = with_calls(LOOKUP)
        history.answer_call("c1", "first")
        history.append(AssistantMessage("", (LOOKUP,)))
        history.answer_call("c1", "second")
        assert history[4:] == [ToolMessage(LOOKUP, "ok", "second")]

    def test_a_forgotten_result_leaves_an_outcome_for_its_call(self) -> None:
        history = with_calls(LOOKUP)
        history.answer_call("c1", "on its way")
        history.forget_result("c1")
        assert history[2:] == [ToolMessage(LOOKUP, "cancelled", RESULT_REMOVED)]

    def test_a_dropped_call_takes_its_outcome_along(self) -> None:
        history = with_calls(LOOKUP, REFUND)
        history.close_open_calls()
        history.drop_call("c1")
        assert history == [
            UserMessage(("Where is it?",)),
            AssistantMessage("Let me see.", (REFUND,)),
            ToolMessage(REFUND, "cancelled", NO_RESULT),
        ]

    def test_a_message_with_only_the_dropped_call_is_dropped_too(self) -> None:
        history = History([AssistantMessage("", (LOOKUP,))])
        history.drop_call("c1")
        assert history == []


class TestInserting:
    def test_messages_are_inserted_after_the_last_of_the_named_ones(self) -> None:
        first, second = UserMessage(("1",)), AssistantMessage("2")
        history = History([first, second, UserMessage(("4",))])
        history.insert_after({first.id, second.id}, [UserMessage(("3",))])
        assert [message.text for message in history] == ["1", "2", "3", "4"]

    def test_messages_are_inserted_at_the_start_if_no_named_one_is_there(self) -> None:
        history = History([UserMessage(("2",))])
        history.insert_after(set(), [UserMessage(("1",))])
        assert [message.text for message in history] == ["1", "2"]

    def test_nothing_comes_between_calls_and_their_outcomes(self) -> None:
        calling = AssistantMessage("", (LOOKUP, REFUND))
        history = History([calling])
        history.close_open_calls()
        history.insert_after({calling.id}, [UserMessage(("next",))])
        assert isinstance(history[-1], UserMessage)


class TestRemoving:
    def test_dropped_messages_leave_the_calls_that_are_to_stay(self) -> None:
        calling = AssistantMessage("Let me see.", (LOOKUP, REFUND))
        history = History([calling])
        history.drop({calling.id}, keep_calls={"c2"})
        assert history == [AssistantMessage("", (REFUND,))]
        assert history[0].id == calling.id

    def test_a_truncated_message_keeps_its_calls(self) -> None:
        history = with_calls(LOOKUP)
        history.truncate(history[1].id, "Let", (5, 6))
        assert history[1] == AssistantMessage("Let", (LOOKUP,), (5, 6))

    def test_only_the_last_recordings_keep_their_audio(self) -> None:
        history = History([spoken(f"question {number}") for number in range(6)])
        history.forget_audio(keep=2)
        kept = [bool(message.audio) for message in history if isinstance(message, UserMessage)]
        assert kept == [False] * 4 + [True] * 2
        assert history[0] == UserMessage(("question 0",))

    def test_audio_without_a_transcript_is_never_forgotten(self) -> None:
        history = History([spoken() for _ in range(6)])
        history.forget_audio(keep=0)
        assert all(message.audio for message in history if isinstance(message, UserMessage))


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["call", "answer", "close", "insert", "drop", "drop_call", "forget"]),
        st.integers(0, 5),
    ),
    max_size=20,
)


@given(ACTIONS)
def test_every_call_has_one_outcome_in_its_place_after_closing(
    actions: list[tuple[str, int]],
) -> None:
    history, made = History(), 0
    for action, number in actions:
        match action:
            case "call":
                made += 1
                history.close_open_calls()
                call = replace(LOOKUP, id=f"c{made}")
                history.append(AssistantMessage("", (call, replace(REFUND, id=f"r{made}"))))
            case "answer":
                history.answer_call(f"c{number}", "fine")
            case "close":
                history.close_open_calls()
            case "insert":
                ids = {message.id for message in history[:number]}
                history.insert_after(ids, [UserMessage(("hm",))])
            case "drop":
                users = [message.id for message in history if isinstance(message, UserMessage)]
                history.drop(users[:number])
            case "drop_call":
                history.drop_call(f"r{number}")
            case "forget":
                history.forget_result(f"c{number}")
    history.close_open_calls()
    open_ids: list[str] = []
    for message in history:
        if isinstance(message, ToolMessage):
            open_ids.remove(message.call.id)
            continue
        assert not open_ids, "something stands between a call and its outcome"
        open_ids = [call.id for call in getattr(message, "calls", ())]
    assert not open_ids


def test_a_history_is_read_like_a_sequence_and_cannot_be_assigned_to() -> None:
    history = History([UserMessage(("a",))])
    assert (len(history), list(history)) == (1, [UserMessage(("a",))])
    with pytest.raises(TypeError):
        history[0] = UserMessage(("b",))  # type: ignore[index]
