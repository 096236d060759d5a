"""session.update: a deep partial merge, returned in full, and its effects."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.server.realtime.session_config import merged
from assistant.testing import ScriptedEngine
from tests.server.realtime.realtime_client import calling
from tests.support.serving import Serve


def detection_of(session: dict[str, Any]) -> Any:
    return session["audio"]["input"]["turn_detection"]


def test_a_new_session_reports_its_configuration(serve: Serve) -> None:
    with calling(serve(), "model=gpt-realtime") as caller:
        session = caller.seen[0]["session"]
    assert (session["type"], session["object"]) == ("realtime", "realtime.session")
    assert session["model"] == "gpt-realtime"
    assert isinstance(session["expires_at"], int)
    assert session["output_modalities"] == ["audio"]
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["output"]["voice"] == "default"
    assert detection_of(session) == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 400,
        "create_response": True,
        "interrupt_response": True,
    }


def test_fields_that_an_update_leaves_out_are_unchanged(serve: Serve) -> None:
    with calling(serve()) as caller:
        caller.update(instructions="Be brief.", audio={"output": {"voice": "awb"}})
        caller.listen(transcription={"model": "whisper-1", "language": "en"})
        caller.listen(turn_detection={"type": "server_vad", "silence_duration_ms": 700})
        session = caller.listen(turn_detection={"threshold": 0.7})
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"]["voice"] == "awb"
    assert session["audio"]["input"]["transcription"] == {"model": "whisper-1", "language": "en"}
    detection = detection_of(session)
    assert (detection["silence_duration_ms"], detection["threshold"]) == (700, 0.7)


def test_null_clears_the_optional_fields(serve: Serve) -> None:
    with calling(serve()) as caller:
        caller.listen(transcription={"model": "m"}, noise_reduction={"type": "near_field"})
        before = caller.update(tracing="auto", instructions="Be brief.")
        assert before["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
        cleared = {"transcription": None, "noise_reduction": None, "turn_detection": None}
        session = caller.update(tracing=None, instructions=None, audio={"input": cleared})
    assert session["tracing"] is None
    assert session["instructions"] == ""
    assert [session["audio"]["input"][key] for key in cleared] == [None, None, None]


def test_another_kind_of_turn_detection_replaces_the_old_one(serve: Serve) -> None:
    with calling(serve()) as caller:
        caller.listen(turn_detection={"type": "server_vad", "silence_duration_ms": 700})
        semantic = caller.listen(turn_detection={"type": "semantic_vad", "eagerness": "low"})
        assert detection_of(semantic) == {
            "type": "semantic_vad",
            "eagerness": "low",
            "create_response": True,
            "interrupt_response": True,
        }
        back = caller.listen(turn_detection={"type": "server_vad"})
        assert detection_of(back)["silence_duration_ms"] == 400
        assert detection_of(caller.listen(turn_detection={"type": "none"})) is None


def test_the_output_is_never_both_speech_and_text(serve: Serve) -> None:
    with calling(serve()) as caller:
        both = caller.update(output_modalities=["text", "audio"])
        assert both["output_modalities"] == ["audio"]
        assert caller.update(output_modalities=["text"])["output_modalities"] == ["text"]


def test_unknown_fields_are_ignored_and_the_others_are_applied(serve: Serve) -> None:
    with calling(serve()) as caller:
        session = caller.update(
            instructions="Hm.", temperature=0.8, include=["x"], prompt={"id": 1}
        )
    assert session["instructions"] == "Hm."
    assert "temperature" not in session


@pytest.mark.parametrize(
    ("session", "param"),
    [
        (
            {"audio": {"input": {"format": {"type": "audio/opus"}}}},
            "session.audio.input.format.type",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}},
            "session.audio.input.format.rate",
        ),
        ({"output_modalities": []}, "session.output_modalities"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "session.tools.0.type"),
        ({"max_output_tokens": 0}, "session.max_output_tokens"),
        ({"type": "transcription"}, "session.type"),
        ({"audio": {"input": {"turn_detection": {"type": "guess"}}}}, "turn_detection"),
    ],
)
def test_an_unsupported_update_is_refused_and_changes_nothing(
    serve: Serve, session: dict[str, Any], param: str
) -> None:
    with calling(serve()) as caller:
        before = caller.update(instructions="Be brief.")
        values = {"type": "realtime", "instructions": "Be long.", **session}
        error = caller.refused("session.update", session=values)
        assert param in error["param"]
        assert (error["event_id"], error["type"]) == ("mine", "invalid_request_error")
        assert caller.update() == before


def test_the_settings_reach_the_engine(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    tool = {"type": "function", "name": "light", "description": "d", "parameters": {}}
    with calling(serve(engine)) as caller:
        caller.update(
            instructions="Be brief.", tools=[tool], tool_choice="required", max_output_tokens=50
        )
        caller.speak()
        caller.until("response.done")
        caller.update(instructions="", tools=[], tool_choice="none", max_output_tokens="inf")
        caller.speak()
        caller.until("response.done")
    first, second = engine.requests
    assert first.messages[0].text == "Be brief."
    assert first.must_call
    assert first.sampling.max_tokens == 50
    assert "light" in {schema.name for schema in first.tools}
    assert "helpful voice assistant" in second.messages[0].text
    assert second.tools == ()
    assert second.sampling.max_tokens == 2_048


def test_the_silence_duration_of_the_client_ends_its_turns(serve: Serve) -> None:
    with calling(serve(live={"lead_ins": False, "speculate_ms": 0})) as caller:
        caller.listen(turn_detection={"type": "server_vad", "silence_duration_ms": 1_200})
        caller.speak()
        stopped = caller.until("input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] > 1_000


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_turns_without_create_response_are_only_recorded(serve: Serve, kind: str) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        caller.listen(turn_detection={"type": kind, "create_response": False})
        caller.speak()
        caller.until("conversation.item.done")
        assert "response.created" not in caller.types()
        done = caller.respond()
    assert caller.text_of(done) == "Yes."
    assert len(engine.requests) == 1
    assert len(engine.requests[0].messages) == 2


def test_the_client_commits_if_there_is_no_turn_detection(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    with calling(serve(engine)) as caller:
        caller.listen(turn_detection=None)
        empty = caller.refused("input_audio_buffer.commit")
        assert empty["code"] == "input_audio_buffer_commit_empty"
        caller.speak()
        caller.after("input_audio_buffer.clear", "input_audio_buffer.cleared")
        assert caller.refused("input_audio_buffer.commit")["code"] == empty["code"]
        caller.speak()
        committed = caller.after("input_audio_buffer.commit", "input_audio_buffer.committed")
        item = caller.until("conversation.item.done")["item"]
        assert item["id"] == committed["item_id"]
        assert caller.text_of(caller.respond()) == "Yes."
    assert "input_audio_buffer.speech_started" not in caller.types()
    assert len(engine.requests) == 1


def test_an_update_merges_at_every_depth() -> None:
    old = {"a": {"b": 1, "c": 2}, "audio": {"input": {"format": {"type": "audio/pcm", "rate": 1}}}}
    new = {"a": {"c": 3}, "audio": {"input": {"format": {"type": "audio/pcmu"}}}, "d": None}
    assert merged(old, new) == {
        "a": {"b": 1, "c": 3},
        "audio": {"input": {"format": {"type": "audio/pcmu"}}},
    }
