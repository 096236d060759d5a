"""Items are created, read, deleted and moved, and the history follows them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from assistant.testing import ScriptedEngine
from tests.server.realtime.realtime_client import Caller, calling, speech
from tests.support.serving import Serve
from tests.support.tool_calls import call

TOOL = {"type": "function", "name": "light", "description": "Switches it."}


def message(role: str, text: str, kind: str = "input_text", **values: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **values}


def history(engine: ScriptedEngine) -> list[str]:
    """The texts of the last request, the system prompt left out."""
    return [getattr(message, "text", "") for message in engine.requests[-1].messages[1:]]


def test_the_history_can_be_created_by_items(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        caller.create(message("system", "The user is called Ann."))
        caller.create(message("user", "Hello."))
        caller.create(message("assistant", "Hello, Ann.", "output_text"))
        call_item = {"type": "function_call", "name": "light", "arguments": "{}", "call_id": "c1"}
        assert caller.create(call_item)["status"] == "completed"
        caller.create({"type": "function_call_output", "call_id": "c1", "output": "it is on"})
        caller.create(message("user", "Is it on?"))
        caller.respond()
    assert history(engine) == [
        "The user is called Ann.",
        "Hello.",
        "Hello, Ann.",
        "",
        "it is on",
        "Is it on?",
    ]


def test_a_recording_can_be_an_item(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        audio = base64.b64encode(speech(silence_s=0.0)).decode()
        content = [{"type": "input_audio", "audio": audio}, {"type": "input_text", "text": "Well?"}]
        made = caller.create({"type": "message", "role": "user", "content": content})
        caller.respond()
    assert "audio" not in made["content"][0]
    pcm, text = engine.requests[0].messages[-1].parts
    assert pcm.seconds == pytest.approx(len(speech(silence_s=0.0)) / 48_000)
    assert text == "Well?"


def test_ids_of_clients_are_used_and_may_not_repeat(serve: Serve) -> None:
    with calling(serve()) as caller:
        assert caller.create(message("user", "One.", id="one"))["id"] == "one"
        error = caller.refused("conversation.item.create", item=message("user", "Two.", id="one"))
        assert error["code"] == "item_create_duplicate_item_id"
        got = caller.after(
            "conversation.item.retrieve", "conversation.item.retrieved", item_id="one"
        )["item"]
        assert got["content"] == [{"type": "input_text", "text": "One."}]


def test_items_are_inserted_at_the_requested_position(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        caller.create(message("user", "2", id="two"))
        caller.create(message("user", "4", id="four"))
        caller.create(message("user", "1", id="one"), previous_item_id="root")
        caller.create(message("user", "3", id="three"), previous_item_id="two")
        befores = [event["previous_item_id"] for event in caller.all("conversation.item.added")]
        assert befores == [None, "two", None, "two"]
        error = caller.refused(
            "conversation.item.create", item=message("user", "?"), previous_item_id="nine"
        )
        assert error["param"] == "previous_item_id"
        caller.respond()
    assert history(engine) == ["1", "2", "3", "4"]


def test_deleted_items_leave_the_history_and_the_rest_stays(serve: Serve) -> None:
    engine = ScriptedEngine(["First."], ["Second."], ["Third."])
    with calling(serve(engine)) as caller:
        question = caller.say("One?")
        first = caller.respond()["output"][0]["id"]
        caller.say("Two?")
        caller.respond()
        for item_id in (question, first):
            gone = caller.after(
                "conversation.item.delete", "conversation.item.deleted", item_id=item_id
            )
            assert gone["item_id"] == item_id
        caller.say("Three?")
        caller.respond()
        error = caller.refused("conversation.item.delete", item_id=first)
        assert error["code"] == "item_delete_invalid_item_id"
    assert history(engine) == ["Two?", "Second.", "Three?"]


def test_a_spoken_question_can_be_deleted_and_replaced(serve: Serve) -> None:
    engine = ScriptedEngine(["First."], ["Second."])
    with calling(serve(engine)) as caller:
        caller.speak()
        caller.until("response.done")
        question = caller.all("conversation.item.added")[0]["item"]["id"]
        caller.create(message("user", "What was it?"), previous_item_id=question)
        caller.after("conversation.item.delete", "conversation.item.deleted", item_id=question)
        caller.respond()
    assert history(engine) == ["What was it?", "First."]


def calls_light(caller: Caller) -> tuple[str, str]:
    """The ids of the item and of the call."""
    caller.update(tools=[TOOL])
    caller.say("Light!")
    called = caller.respond()["output"][-1]
    return called["id"], called["call_id"]


def test_a_late_result_still_counts(serve: Serve) -> None:
    engine = ScriptedEngine([call("light")], ["Hm."], ["It is on."])
    with calling(serve(engine)) as caller:
        _, call_id = calls_light(caller)
        caller.say("Never mind.")
        caller.respond()
        assert history(engine)[2] == "The client gave no result."
        caller.create({"type": "function_call_output", "call_id": call_id, "output": "on"})
        caller.respond()
    assert history(engine) == ["Light!", "", "on", "Never mind.", "Hm."]


def test_a_deleted_call_takes_its_result_along(serve: Serve) -> None:
    engine = ScriptedEngine(["One moment. ", call("light")], ["Hm."])
    with calling(serve(engine)) as caller:
        item_id, call_id = calls_light(caller)
        caller.create({"type": "function_call_output", "call_id": call_id, "output": "on"})
        caller.after("conversation.item.delete", "conversation.item.deleted", item_id=item_id)
        caller.respond()
    assert history(engine) == ["Light!", "One moment. "]


def test_a_deleted_text_leaves_the_call_that_came_with_it(serve: Serve) -> None:
    engine = ScriptedEngine(["One moment. ", call("light")], ["Hm."])
    with calling(serve(engine)) as caller:
        _, call_id = calls_light(caller)
        said = caller.all("response.output_item.done")[0]["item"]["id"]
        caller.after("conversation.item.delete", "conversation.item.deleted", item_id=said)
        caller.create({"type": "function_call_output", "call_id": call_id, "output": "on"})
        caller.respond()
    assert history(engine) == ["Light!", "", "on"]


@pytest.mark.parametrize(
    ("kind", "values", "code"),
    [
        ("conversation.item.retrieve", {"item_id": "x"}, "item_retrieve_invalid_item_id"),
        ("conversation.item.delete", {"item_id": "x"}, "item_delete_invalid_item_id"),
        (
            "conversation.item.truncate",
            {"item_id": "x", "content_index": 0, "audio_end_ms": 1},
            "item_truncate_invalid_item_id",
        ),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": "x", "output": ""}},
            "invalid_tool_call_id",
        ),
        (
            "conversation.item.create",
            {"item": message("user", "", "input_image")},
            "invalid_value",
        ),
        (
            "conversation.item.create",
            {
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_audio", "audio": "!"}],
                }
            },
            "invalid_value",
        ),
    ],
)
def test_an_unknown_or_invalid_item_is_an_error_with_a_code(
    serve: Serve, kind: str, values: dict[str, Any], code: str
) -> None:
    with calling(serve()) as caller:
        error = caller.refused(kind, **values)
        assert (error["code"], error["event_id"]) == (code, "mine")
        caller.update()
