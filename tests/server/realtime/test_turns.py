"""Spoken turns over /v1/realtime: the order of events, formats, tools of the client, voices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from assistant import ToolResult, tool
from assistant.audio.g711 import A_LAW, MU_LAW
from assistant.engines.base import EngineRequest
from assistant.events import Transcript
from assistant.messages import UserMessage
from assistant.testing import ScriptedEngine
from assistant.testing.scripted import speech_of
from tests.server.realtime.realtime_client import Caller, calling, speech
from tests.support.serving import Hold, Serve
from tests.support.tool_calls import call

ORDER = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


def asked(engine: ScriptedEngine) -> list[str]:
    """Returns the roles of the messages of the last request."""
    return [type(message).__name__ for message in engine.requests[-1].messages[1:]]


def test_a_spoken_turn_has_the_order_of_events_that_clients_rely_on(serve: Serve) -> None:
    server = serve(ScriptedEngine(["It is noon."]))
    with calling(server) as caller:
        caller.speak()
        done = caller.until("response.done")["response"]
    types = [kind for kind, _ in itertools.groupby(caller.types()[1:])]
    assert types == ORDER
    ids = {event["item_id"] for event in caller.seen[1:4]}
    question = caller.all("conversation.item.added")[0]["item"]
    assert ids == {question["id"]}
    assert question["content"] == [{"type": "input_audio", "transcript": None}]
    assert caller.all("conversation.item.added")[1]["previous_item_id"] == question["id"]
    assert (done["status"], caller.text_of(done)) == ("completed", "It is noon.")
    assert caller.pcm() == speech_of("It is noon.").samples.tobytes()
    assert done["usage"]["total_tokens"] == 0


def test_each_event_has_an_id_of_its_own_and_ids_of_calls_are_short(serve: Serve) -> None:
    with calling(serve(ScriptedEngine(["Yes."]))) as caller:
        caller.speak()
        caller.until("response.done")
    ids = [event["event_id"] for event in caller.seen]
    assert len(set(ids)) == len(ids)
    items = [event["item"]["id"] for event in caller.all("conversation.item.added")]
    assert all(len(item_id) <= 32 for item_id in items)


@pytest.mark.parametrize(("name", "codec"), [("audio/pcmu", MU_LAW), ("audio/pcma", A_LAW)])
def test_g711_audio_goes_in_and_out(serve: Serve, name: str, codec: object) -> None:
    engine = ScriptedEngine(["It is noon."])
    with calling(serve(engine)) as caller:
        form = {"type": name}
        session = caller.update(audio={"input": {"format": form}, "output": {"format": form}})
        assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == form
        caller.speak(speech(form=name), piece_bytes=160)
        caller.until("response.done")
    heard = engine.requests[0].messages[-1].parts[0]
    assert heard.sample_rate == 16_000
    assert heard.seconds == pytest.approx(len(speech(form=name)) / 8_000 - 1.5, abs=1.0)
    spoken = codec.decode(caller.pcm())  # type: ignore[attr-defined]
    whole = speech_of("It is noon.").samples
    assert len(spoken) == pytest.approx(len(whole) / 3, abs=80)
    tone = np.abs(np.fft.rfft(spoken[:4_000]))
    assert tone.argmax() * 2 == pytest.approx(220, abs=4)


def test_input_and_output_formats_may_differ(serve: Serve) -> None:
    with calling(serve(ScriptedEngine(["It is noon."]))) as caller:
        caller.update(audio={"output": {"format": {"type": "audio/pcmu"}}})
        caller.speak()
        caller.until("response.done")
    assert len(caller.pcm()) == pytest.approx(len(speech_of("It is noon.").samples) / 3, abs=80)


def test_audio_may_be_split_anywhere(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        caller.speak(piece_bytes=3_333)
        caller.until("response.done")
    loud = np.abs(engine.requests[0].messages[-1].parts[0].samples)
    assert float(np.median(loud[loud > 0.001])) < 0.2  # an offset of half a sample gives noise


def test_text_responses_have_no_audio(serve: Serve) -> None:
    engine = ScriptedEngine(["It is noon."])
    with calling(serve(engine)) as caller:
        caller.update(output_modalities=["text"])
        caller.speak()
        done = caller.until("response.done")["response"]
    assert done["output_modalities"] == ["text"]
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "It is noon."}]
    assert not caller.all("response.output_audio.delta")
    assert caller.all("response.output_text.done")[0]["text"] == "It is noon."
    assert not engine.requests[0].speak


LIGHT = {
    "type": "function",
    "name": "light",
    "description": "Switches the light.",
    "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}},
}


def test_a_client_tool_call_and_its_result_are_one_conversation(serve: Serve) -> None:
    engine = ScriptedEngine(["One moment. ", call("light", on=True)], ["It is on."])
    with calling(serve(engine)) as caller:
        caller.update(tools=[LIGHT])
        caller.speak()
        done = caller.until("response.done")["response"]
        _, called = done["output"]
        assert called["name"] == "light"
        assert called["arguments"] == '{"on": true}'
        assert len(called["call_id"]) <= 32
        added = [event["item"] for event in caller.all("conversation.item.added")][-1]
        assert (added["type"], added["name"], added["arguments"]) == ("function_call", "light", "")
        output = {
            "type": "function_call_output",
            "call_id": called["call_id"],
            "output": "done",
        }
        caller.create(output)
        answer = caller.respond()
    assert caller.text_of(answer) == "It is on."
    assert asked(engine) == ["UserMessage", "AssistantMessage", "ToolMessage"]
    assert engine.requests[-1].messages[-1].text == "done"
    arguments = caller.all("response.function_call_arguments.done")[0]
    assert (arguments["name"], arguments["output_index"]) == ("light", 1)
    order = [
        kind
        for kind in caller.types()
        if "function_call" in kind or kind in ("response.output_item.done", "response.done")
    ]
    assert order[:4] == [
        "response.output_item.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]


def test_a_result_that_comes_before_the_response_is_done_is_not_lost(
    serve: Serve, hold: Hold
) -> None:
    @tool
    async def slow() -> str:
        """Takes a while."""
        await hold()
        return "slowly"

    engine = ScriptedEngine([call("light"), call("slow")], ["It is on."])
    with calling(serve(engine, slow)) as caller:
        caller.update(tools=[LIGHT])
        caller.say("Light!")
        caller.send("response.create")
        hold.wait_reached()
        # The call is not known to the client yet; what it creates meanwhile waits for the turn.
        caller.say("Hurry up.")
        hold.let_go.set()
        done = caller.until("response.done")["response"]
        call_id = done["output"][-1]["call_id"]
        caller.create({"type": "function_call_output", "call_id": call_id, "output": "done"})
        caller.respond()
    kinds = asked(engine)
    assert kinds.count("ToolMessage") == 2
    at = kinds.index("AssistantMessage")
    assert kinds[at + 1 : at + 3] == ["ToolMessage", "ToolMessage"]


def test_server_tools_run_without_events(serve: Serve) -> None:
    @tool
    def clock() -> str:
        """The time."""
        return "noon"

    engine = ScriptedEngine([call("clock")], ["It is noon."])
    with calling(serve(engine, clock)) as caller:
        caller.update(tools=[LIGHT])
        caller.speak()
        done = caller.until("response.done")["response"]
    assert [item["type"] for item in done["output"]] == ["message"]
    assert {schema.name for schema in engine.requests[0].tools} >= {"clock", "light"}
    assert not [kind for kind in caller.types() if "function" in kind or "assistant" in kind]


def test_a_phrase_is_spoken_while_a_slow_tool_runs(serve: Serve, hold: Hold) -> None:
    @tool
    async def slow() -> str:
        """Takes a while."""
        await hold()
        return "slowly"

    def step(request: EngineRequest) -> list[str]:
        if request.task == "read":
            return ["One moment."]
        asked = isinstance(request.messages[-1], UserMessage)
        return [call("slow") if asked else "It is noon."]

    with calling(serve(ScriptedEngine(step), slow, live={})) as caller:
        caller.speak()
        caller.until("response.output_audio.delta")
        hold.let_go.set()
        done = caller.until("response.done")["response"]
    said = caller.text_of(done)
    assert said.endswith(" It is noon.")
    assert len(said) > len(" It is noon.")
    assert len(caller.pcm()) > len(speech_of("It is noon.").samples.tobytes())


def test_a_voice_that_a_tool_switches_to_is_in_session_updated(serve: Serve) -> None:
    @tool
    def deeper() -> ToolResult:
        """Speaks deeper."""
        return ToolResult("ok", voice="awb")

    engine = ScriptedEngine([call("deeper")], ["Like this?"])
    with calling(serve(engine, deeper)) as caller:
        first = caller.update(audio={"output": {"voice": "alloy"}})
        assert first["audio"]["output"]["voice"] == "default"
        caller.speak()
        caller.until("response.done")
        told = caller.all("session.updated")[-1]["session"]
        assert told["audio"]["output"]["voice"] == "awb"
        # Clients repeat their settings: the same voice again does not undo the tool's change.
        again = caller.update(audio={"output": {"voice": "alloy"}})
        assert again["audio"]["output"]["voice"] == "awb"
        caller.respond()
        assert caller.update(audio={"output": {"voice": "marin"}})["audio"]["output"]["voice"] == (
            "default"
        )
        caller.respond()
    assert [request.voice.id for request in engine.requests[1:]] == ["awb", "awb", "default"]


def test_a_failed_turn_is_a_failed_response_and_the_session_continues(serve: Serve) -> None:
    engine = ScriptedEngine([RuntimeError("out of memory")], ["Better now."])
    with calling(serve(engine)) as caller:
        caller.speak()
        done = caller.until("response.done")["response"]
        assert done["status"] == "failed"
        error = done["status_details"]["error"]
        assert error["type"] == "server_error"
        assert "memory" not in error["message"]
        assert caller.text_of(caller.respond()) == "Better now."


def transcribing(caller: Caller) -> str:
    caller.listen(transcription={"model": "whisper-1"})
    caller.speak()
    caller.until("response.done")
    kind = "conversation.item.input_audio_transcription.completed"
    if not caller.all(kind):
        caller.until(kind)
    done = caller.all(kind)[0]
    item = caller.all("conversation.item.added")[0]["item"]
    assert done["item_id"] == item["id"]
    assert done["usage"]["seconds"] > 1.0
    delta = caller.all("conversation.item.input_audio_transcription.delta")[0]
    assert (delta["content_index"], delta["delta"]) == (0, done["transcript"])
    shown = caller.after(
        "conversation.item.retrieve", "conversation.item.retrieved", item_id=item["id"]
    )["item"]
    assert shown["content"] == [{"type": "input_audio", "transcript": done["transcript"]}]
    return str(done["transcript"])


def test_the_engines_transcript_is_the_items_transcript(serve: Serve) -> None:
    engine = ScriptedEngine([Transcript("What time is it?"), "It is noon."])
    with calling(serve(engine)) as caller:
        assert transcribing(caller) == "What time is it?"
    assert len(engine.requests) == 1


def test_an_engine_without_transcripts_transcribes_the_question_after_the_response(
    serve: Serve,
) -> None:
    engine = ScriptedEngine(lambda r: ["What time?" if r.task == "transcribe" else "It is noon."])
    with calling(serve(engine)) as caller:
        assert transcribing(caller) == "What time?"
    assert [request.task for request in engine.requests] == ["answer", "transcribe"]


def test_a_failed_transcript_is_reported_and_affects_nothing_else(serve: Serve) -> None:
    def step(request: object) -> list[object]:
        failed = getattr(request, "task", "") == "transcribe"
        return [RuntimeError("no ears") if failed else "It is noon."]

    with calling(serve(ScriptedEngine(step))) as caller:
        caller.listen(transcription={"model": "whisper-1"})
        caller.speak()
        failed = caller.until("conversation.item.input_audio_transcription.failed")
        assert failed["error"]["message"]
        if not caller.all("response.done"):
            caller.until("response.done")


def test_without_a_request_for_transcripts_there_are_none(serve: Serve) -> None:
    engine = ScriptedEngine([Transcript("What time is it?"), "It is noon."])
    with calling(serve(engine)) as caller:
        caller.speak()
        caller.until("response.done")
        caller.after("input_audio_buffer.clear", "input_audio_buffer.cleared")
    assert not [kind for kind in caller.types() if "transcription" in kind]
