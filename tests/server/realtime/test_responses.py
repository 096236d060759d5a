"""response.create and response.cancel: response options, and out-of-band responses."""

from __future__ import annotations

import pytest

from assistant.engines.base import Finish
from assistant.testing import ScriptedEngine
from assistant.testing.scripted import speech_of
from tests.server.realtime.realtime_client import Caller, calling
from tests.support.serving import Hold, Serve

TOOL = {"type": "function", "name": "hoist", "parameters": {"type": "object", "properties": {}}}


def start(caller: Caller, **response: object) -> str:
    caller.send("response.create", response=response)
    return str(caller.until("response.created")["response"]["id"])


def test_the_first_response_needs_no_item(serve: Serve) -> None:
    engine = ScriptedEngine(["Welcome."])
    with calling(serve(engine)) as caller:
        done = caller.respond(instructions="Greet the user.")
    assert caller.text_of(done) == "Welcome."
    assert [message.text for message in engine.requests[0].messages] == ["Greet the user."]


def test_the_options_of_a_response_apply_to_that_response_only(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    tool = {"type": "function", "name": "light", "description": "d"}
    with calling(serve(engine)) as caller:
        caller.update(instructions="Be brief.")
        special = caller.respond(
            instructions="Be long.",
            output_modalities=["text"],
            tools=[tool],
            tool_choice="none",
            max_output_tokens=77,
            metadata={"client_event_id": "abc"},
            audio={"output": {"voice": "awb"}},
        )
        assert special["metadata"] == {"client_event_id": "abc"}
        assert (special["output_modalities"], special["max_output_tokens"]) == (["text"], 77)
        plain = caller.respond()
    assert (plain["metadata"], plain["output_modalities"]) == (None, ["audio"])
    first, second = engine.requests
    assert (first.messages[0].text, first.speak, first.tools) == ("Be long.", False, ())
    assert (first.sampling.max_tokens, first.voice.id) == (77, "awb")
    assert (second.messages[0].text, second.speak, second.voice.id) == (
        "Be brief.",
        True,
        "default",
    )
    assert "light" not in {schema.name for schema in second.tools}


def test_null_in_a_response_means_the_value_of_the_session(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        caller.update(instructions="Be brief.")
        caller.respond(instructions=None, tools=None, tool_choice=None, metadata=None, audio=None)
    assert engine.requests[0].messages[0].text == "Be brief."


def test_the_metadata_of_the_client_is_in_the_created_and_done_events(serve: Serve) -> None:
    with calling(serve()) as caller:
        caller.respond(metadata={"client_event_id": "abc"})
        created, done = caller.all("response.created")[0], caller.all("response.done")[0]
    assert created["response"]["id"] == done["response"]["id"]
    assert created["response"]["status"] == "in_progress"
    assert created["response"]["metadata"] == {"client_event_id": "abc"}


def test_only_one_response_runs_at_a_time(serve: Serve, hold: Hold) -> None:
    with calling(serve(ScriptedEngine([hold, "Yes."]))) as caller:
        start(caller)
        hold.wait_reached()
        error = caller.refused("response.create")
        assert error["code"] == "conversation_already_has_active_response"
        hold.let_go.set()
        assert caller.until("response.done")["response"]["status"] == "completed"


def test_a_second_response_at_the_same_time_is_an_error(serve: Serve, hold: Hold) -> None:
    with calling(serve(ScriptedEngine([hold, "Yes."]))) as caller:
        caller.send("response.create")
        error = caller.refused("response.create")
        assert error["code"] == "conversation_already_has_active_response"
        hold.let_go.set()
        caller.until("response.done")
    assert len(caller.all("response.created")) == 1


def test_a_cancelled_response_says_who_cancelled_it(serve: Serve, hold: Hold) -> None:
    with calling(serve(ScriptedEngine(["Once upon ", hold, "a time."], ["The end."]))) as caller:
        response_id = start(caller)
        hold.wait_reached()
        caller.until("response.output_audio_transcript.delta")
        caller.send("response.cancel", response_id=response_id)
        done = caller.until("response.done")["response"]
        assert done["status"] == "cancelled"
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        assert done["output"][0]["status"] == "incomplete"
        assert caller.text_of(caller.respond()) == "The end."
    closing = [kind for kind in caller.types() if kind.endswith(".done")]
    assert closing[:6] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]


def test_the_options_of_a_response_that_never_began_are_dropped(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        for _ in range(5):
            caller.send("response.create", response={"instructions": "Be long."})
            caller.send("response.cancel")
        caller.send("session.update", session={})
        caller.until_quiet()
        caller.speak()
        while not caller.all("input_audio_buffer.committed"):
            caller.next()
        caller.until("response.done")
    assert "Be long." not in engine.requests[-1].messages[0].text


def test_cancelling_nothing_is_an_error_that_clients_ignore(serve: Serve) -> None:
    with calling(serve()) as caller:
        caller.respond()
        error = caller.refused("response.cancel")
        assert error["code"] == "response_cancel_not_active"
        assert error["message"].startswith("Cancellation failed")
        caller.respond()


def test_an_out_of_band_response_leaves_no_trace(serve: Serve) -> None:
    engine = ScriptedEngine(["Aloud."])
    with calling(serve(engine)) as caller:
        caller.say("Hello.")
        before = len(caller.seen)
        part = {"type": "input_text", "text": "Read this."}
        item = {"type": "message", "role": "user", "content": [part]}
        done = caller.respond(conversation="none", input=[item], instructions="Read aloud.")
        assert caller.text_of(done) == "Aloud."
        assert done["conversation_id"] is None
        assert not [k for k in caller.types()[before:] if k.startswith("conversation.item")]
        caller.respond()
    out_of_band, plain = engine.requests
    assert [message.text for message in out_of_band.messages] == ["Read aloud.", "Read this."]
    assert [message.text for message in plain.messages[1:]] == ["Hello."]
    pcm = speech_of("Aloud.").samples.tobytes()
    assert caller.pcm(done["id"]) == pcm


@pytest.mark.parametrize(
    ("instructions", "choice", "task"),
    [
        ("Speak the message aloud, exactly as written. Do not answer it.", "none", "read"),
        ("Repeat the message word for word.", "none", "read"),
        ("Repeat the message word for word.", "auto", "answer"),  # the request may need a tool
        ("Answer the message.", "none", "answer"),
    ],
)
def test_a_text_that_is_only_to_be_spoken_is_read_aloud(
    serve: Serve, instructions: str, choice: str, task: str
) -> None:
    engine = ScriptedEngine(["The washing is done."])
    with calling(serve(engine)) as caller:
        caller.update(tool_choice=choice, instructions=instructions)
        part = {"type": "input_text", "text": "The washing is done."}
        item = {"type": "message", "role": "user", "content": [part]}
        done = caller.respond(conversation="none", input=[item])
    assert caller.text_of(done) == "The washing is done."
    assert caller.pcm(done["id"])
    (request,) = engine.requests
    assert request.task == task
    assert [message.text for message in request.messages] == [instructions, "The washing is done."]


def test_an_out_of_band_response_sees_what_was_sent_just_before_it(serve: Serve) -> None:
    engine = ScriptedEngine(["Aye."])
    with calling(serve(engine)) as caller:
        session = {"type": "realtime", "instructions": "Talk like a sailor.", "tools": [TOOL]}
        caller.send("session.update", session=session)
        part = {"type": "input_text", "text": "Hello."}
        item = {"type": "message", "role": "user", "content": [part]}
        caller.send("conversation.item.create", item=item)
        assert caller.text_of(caller.respond(conversation="none")) == "Aye."
    (request,) = engine.requests
    assert [message.text for message in request.messages] == ["Talk like a sailor.", "Hello."]
    assert TOOL["name"] in [tool.name for tool in request.tools]


def test_an_out_of_band_response_runs_beside_the_conversation_and_can_be_cancelled(
    serve: Serve, hold: Hold
) -> None:
    engine = ScriptedEngine(lambda r: ["Slow ", hold] if len(r.messages) == 1 else ["Fast."])
    with calling(serve(engine)) as caller:
        out_of_band = start(caller, conversation="none")
        hold.wait_reached()
        caller.say("Hello.")
        assert caller.text_of(caller.respond()) == "Fast."
        caller.send("response.cancel", response_id=out_of_band)
        done = caller.until("response.done")["response"]
    assert (done["id"], done["status"]) == (out_of_band, "cancelled")


def test_an_input_of_its_own_can_name_items_and_the_response_joins_the_conversation(
    serve: Serve,
) -> None:
    engine = ScriptedEngine(["Two."], ["Both."])
    with calling(serve(engine)) as caller:
        caller.say("One?")
        wanted = caller.say("Two?")
        done = caller.respond(input=[{"type": "item_reference", "id": wanted}])
        caller.after(
            "conversation.item.retrieve",
            "conversation.item.retrieved",
            item_id=done["output"][0]["id"],
        )
        caller.respond()
    assert [m.text for m in engine.requests[0].messages[1:]] == ["Two?"]
    assert [m.text for m in engine.requests[1].messages[1:]] == ["One?", "Two?", "Two."]


@pytest.mark.parametrize(
    "response",
    [
        {"input": [{"type": "item_reference", "id": "nine"}]},
        {"tools": [{"type": "function"}]},
        {"output_modalities": ["video"]},
        {"metadata": {"a": {"b": 1}}},
    ],
)
def test_an_invalid_response_create_is_an_error(serve: Serve, response: dict[str, object]) -> None:
    with calling(serve()) as caller:
        assert caller.refused("response.create", response=response)["event_id"] == "mine"
        caller.respond()


def test_a_response_that_reaches_its_limit_is_incomplete(serve: Serve) -> None:
    with calling(serve(ScriptedEngine(["And then", Finish("length")]))) as caller:
        done = caller.respond()
    assert done["status"] == "incomplete"
    assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}


def test_usage_is_counted(serve: Serve) -> None:
    with calling(serve(ScriptedEngine(["Yes.", Finish(tokens=(1, 2), prompt_tokens=5)]))) as caller:
        usage = caller.respond()["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (5, 2, 7)
