"""Transcription sessions, and the events that clients with our extensions get."""

from __future__ import annotations

from typing import Any

import pytest

from assistant import tool
from assistant.events import Transcript
from assistant.testing import ScriptedEngine
from tests.server.realtime.realtime_client import Caller, calling, speech
from tests.support.serving import Serve
from tests.support.tool_calls import call

COMPLETED = "conversation.item.input_audio_transcription.completed"


def listening(caller: Caller, **audio_in: Any) -> None:
    values = {"transcription": {"model": "gpt-realtime-whisper", "language": "en"}, **audio_in}
    session = {"type": "transcription", "audio": {"input": values}}
    caller.after("session.update", "session.updated", session=session)


def test_a_transcription_session_transcribes_without_a_response(serve: Serve) -> None:
    engine = ScriptedEngine(["What time is it?"])
    with calling(serve(engine), "intent=transcription") as caller:
        assert caller.seen[0]["session"]["type"] == "transcription"
        listening(caller)
        for _ in range(2):
            caller.speak()
            done = caller.until(COMPLETED)
            assert done["transcript"] == "What time is it?"
            assert done["item_id"] == caller.all("input_audio_buffer.committed")[-1]["item_id"]
    assert not [kind for kind in caller.types() if kind.startswith("response.")]
    assert [(r.task, r.language, r.speak) for r in engine.requests] == [
        ("transcribe", "en", False)
    ] * 2
    assert all(len(request.messages) == 2 for request in engine.requests)


def test_speech_before_the_first_update_is_transcribed_too(serve: Serve) -> None:
    with calling(serve(ScriptedEngine(["Yes."])), "intent=transcription") as caller:
        caller.speak()
        assert caller.until(COMPLETED)["transcript"] == "Yes."


def test_a_client_that_commits_and_clears_gets_its_last_transcript(serve: Serve) -> None:
    with calling(serve(ScriptedEngine(["Yes."])), "intent=transcription&model=m") as caller:
        listening(caller, turn_detection=None, format={"type": "audio/pcmu"})
        caller.speak(speech(form="audio/pcmu"))
        caller.send("input_audio_buffer.commit", event_id="last")
        caller.send("input_audio_buffer.clear")
        caller.until(COMPLETED)
        order = [kind for kind in caller.types() if kind.startswith("input_audio_buffer")]
        assert sorted(order) == ["input_audio_buffer.cleared", "input_audio_buffer.committed"]
        error = caller.refused("input_audio_buffer.commit")
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")


def test_a_transcription_session_has_no_responses(serve: Serve) -> None:
    with calling(serve(), "intent=transcription") as caller:
        assert "no responses" in caller.refused("response.create")["message"]
        wrong = {"type": "realtime"}
        assert caller.refused("session.update", session=wrong)["param"] == "session.type"


def test_a_failed_transcription_does_not_delay_the_next(serve: Serve) -> None:
    count = iter(range(2))

    def step(request: object) -> list[object]:
        return [RuntimeError("no ears") if next(count) == 0 else "Yes."]

    with calling(serve(ScriptedEngine(step)), "intent=transcription") as caller:
        listening(caller)
        caller.speak()
        caller.until("conversation.item.input_audio_transcription.failed")
        caller.speak()
        assert caller.until(COMPLETED)["transcript"] == "Yes."


def test_a_response_right_after_a_commit_saves_the_second_transcription(
    serve: Serve,
) -> None:
    engine = ScriptedEngine([Transcript("What time?"), "It is noon."])
    with calling(serve(engine)) as caller:
        caller.listen(turn_detection=None, transcription={"model": "m"})
        caller.speak()
        caller.send("input_audio_buffer.commit")
        caller.send("response.create")
        assert caller.until(COMPLETED)["transcript"] == "What time?"
        caller.until("response.done")
    assert [request.task for request in engine.requests] == ["answer"]


def test_a_client_with_the_extensions_gets_the_calls_of_server_tools(serve: Serve) -> None:
    @tool
    def clock() -> str:
        """The time."""
        return "noon"

    engine = ScriptedEngine([call("clock")], ["It is noon."])
    with calling(serve(engine, clock), "extensions=assistant") as caller:
        caller.speak()
        latency = caller.until("assistant.latency")
    started, finished = caller.all("assistant.tool.started"), caller.all("assistant.tool.finished")
    assert [(e["name"], e["arguments"]) for e in started] == [("clock", "{}")]
    assert [(e["outcome"], e["result"]) for e in finished] == [("ok", "noon")]
    response_id = caller.all("response.done")[0]["response"]["id"]
    assert latency["response_id"] == started[0]["response_id"] == response_id
    assert 0 <= latency["first_audio_ms"] < 60_000
    session = caller.all("assistant.session")[0]["session"]
    assert (session["voice"], session["resumable_s"]) == ("default", 300.0)


@pytest.mark.parametrize("query", ["model=m", "extensions=other", "extensions="])
def test_a_client_without_the_extensions_gets_none_of_their_events(
    serve: Serve, query: str
) -> None:
    @tool
    def clock() -> str:
        """The time."""
        return "noon"

    engine = ScriptedEngine([call("clock")], ["It is noon."])
    with calling(serve(engine, clock), query) as caller:
        caller.speak()
        caller.until("response.done")
        caller.update()
    assert not [kind for kind in caller.types() if kind.startswith("assistant.")]


def test_a_conversation_is_counted_in_the_metrics(serve: Serve) -> None:
    engine = ScriptedEngine(["It is noon, and has been for a while by now, as you may know."])
    server = serve(engine)
    with calling(server) as caller:
        assert server.metric("assistant_conversations_open") == 1
        caller.speak()
        caller.until("response.done")
        caller.speak()
        caller.until("input_audio_buffer.committed")
        caller.until("response.done")
        assert server.metric("assistant_interruptions_total") == 1
        speculated = server.metric("assistant_speculations_total", outcome="committed")
        assert speculated >= 1
        assert server.metric("assistant_speculation_saved_seconds_total") > 0
        assert server.metric("assistant_response_wait_seconds_count") == 2
        assert server.metric("assistant_turns_total", outcome="completed") == 2
        assert server.metric("assistant_audio_in_seconds_total") > 4
    rendered = server.client.get("/metrics").text
    assert "assistant_resumed_pauses_total 0.0" in rendered
