"""Speech over a response, and what stays of it in the history."""

from __future__ import annotations

import base64
import itertools

from assistant.testing import ScriptedEngine
from tests.server.realtime.realtime_client import calling, speech
from tests.support.serving import Hold, Serve

STORY = "Once upon a time there was a very long story that nobody ever heard to its end. "


def texts(engine: ScriptedEngine) -> list[str]:
    return [message.text for message in engine.requests[-1].messages[1:]]


def test_speech_over_a_response_stops_it_and_gets_a_response(serve: Serve, hold: Hold) -> None:
    engine = ScriptedEngine([STORY, hold, "The end."], ["All right."])
    with calling(serve(engine)) as caller:
        caller.say("Tell me a story.")
        caller.send("response.create")
        caller.until("response.output_audio.delta")
        hold.wait_reached()
        before = len(caller.seen)
        caller.speak()
        first = caller.until("response.done")["response"]
        second = caller.until("response.done")["response"]
    assert first["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert first["output"][0]["status"] == "incomplete"
    assert caller.text_of(second) == "All right."
    kinds = [kind for kind, _ in itertools.groupby(caller.types()[before:])]
    started = kinds.index("input_audio_buffer.speech_started")
    order = [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    assert kinds[started + 1 : started + 9] == order
    told = texts(engine)
    assert STORY.startswith(told[1])
    assert len(told[1]) < len(STORY)


def test_the_client_says_how_much_was_played(serve: Serve) -> None:
    engine = ScriptedEngine([STORY], ["Yes?"])
    with calling(serve(engine)) as caller:
        caller.say("Tell me a story.")
        item_id = caller.respond()["output"][0]["id"]
        cut = caller.after(
            "conversation.item.truncate",
            "conversation.item.truncated",
            item_id=item_id,
            content_index=0,
            audio_end_ms=1_000,
        )
        assert (cut["item_id"], cut["content_index"], cut["audio_end_ms"]) == (item_id, 0, 1_000)
        shown = caller.after(
            "conversation.item.retrieve", "conversation.item.retrieved", item_id=item_id
        )["item"]
        caller.respond()
    played = texts(engine)[1]
    # A second of twenty characters.
    assert STORY.startswith(played)
    assert 12 <= len(played) <= 20
    assert shown["content"][0]["transcript"] == played


def test_a_reported_position_is_limited_to_the_audio_that_was_sent(serve: Serve) -> None:
    engine = ScriptedEngine([STORY], ["Yes?"])
    with calling(serve(engine)) as caller:
        item_id = caller.respond()["output"][0]["id"]

        def truncate(end_ms: int) -> int:
            cut = caller.after(
                "conversation.item.truncate",
                "conversation.item.truncated",
                item_id=item_id,
                content_index=0,
                audio_end_ms=end_ms,
            )
            return int(cut["audio_end_ms"])

        assert truncate(10**9) == len(STORY) * 50
        caller.respond()
        assert texts(engine) == [STORY]
        assert truncate(-5) == 0


def test_truncating_a_running_response_stops_it(serve: Serve, hold: Hold) -> None:
    engine = ScriptedEngine([STORY, hold, "The end."], ["Yes?"])
    with calling(serve(engine)) as caller:
        caller.send("response.create")
        item_id = caller.until("response.output_audio.delta")["item_id"]
        hold.wait_reached()
        caller.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=500
        )
        caller.until("conversation.item.truncated")
        done = caller.until("response.done")["response"]
        assert done["status"] == "cancelled"
        caller.respond()
    played = texts(engine)[0]
    assert STORY.startswith(played)
    assert 5 <= len(played) <= 10


def test_a_response_can_be_deleted_after_it_was_truncated(serve: Serve) -> None:
    engine = ScriptedEngine([STORY], ["Yes?"])
    with calling(serve(engine)) as caller:
        caller.say("Tell me a story.")
        item_id = caller.respond()["output"][0]["id"]
        caller.after(
            "conversation.item.truncate",
            "conversation.item.truncated",
            item_id=item_id,
            content_index=0,
            audio_end_ms=1_000,
        )
        caller.after("conversation.item.delete", "conversation.item.deleted", item_id=item_id)
        caller.say("Well?")
        caller.respond()
    assert texts(engine) == ["Tell me a story.", "Well?"]


def test_a_client_can_turn_interruption_off(serve: Serve, hold: Hold) -> None:
    engine = ScriptedEngine([STORY, hold, "The end."], ["Yes?"])
    with calling(serve(engine)) as caller:
        caller.listen(turn_detection={"type": "server_vad", "interrupt_response": False})
        caller.send("response.create")
        caller.until("response.output_audio.delta")
        hold.wait_reached()
        caller.speak(speech(silence_s=0.0))
        caller.after("input_audio_buffer.clear", "input_audio_buffer.cleared")
        hold.let_go.set()
        done = caller.until("response.done")["response"]
    assert done["status"] == "completed"
    assert caller.text_of(done) == STORY + "The end."


def test_with_the_extensions_the_client_is_told_and_reports_what_it_played(
    serve: Serve, hold: Hold
) -> None:
    engine = ScriptedEngine([STORY, hold, "The end."], ["Yes?"])
    with calling(serve(engine), "model=m&extensions=assistant") as caller:
        session = caller.next()
        assert session["type"] == "assistant.session"
        assert session["session"]["id"] == caller.seen[0]["session"]["id"]
        caller.send("response.create")
        caller.until("response.output_audio.delta")
        hold.wait_reached()
        response_id = caller.all("response.created")[0]["response"]["id"]
        caller.send("assistant.playback.position", response_id=response_id, played_ms=1_000)
        caller.speak(speech(silence_s=0.0))
        paused = caller.until("assistant.playback.paused")
        cleared = caller.until("assistant.playback.cleared")
        assert paused["response_id"] == cleared["response_id"] == response_id
    assert 900 <= cleared["heard_ms"] <= 4_000
    assert STORY.startswith(cleared["text"])


def test_a_cough_pauses_the_response_and_it_resumes(serve: Serve, hold: Hold) -> None:
    whole = speech(silence_s=0.0)
    cough = whole[24_000 : 24_000 + 48 * 200] + b"\0" * 48_000
    engine = ScriptedEngine([STORY, hold, "The end."])
    with calling(serve(engine), "extensions=assistant") as caller:
        caller.send("response.create")
        caller.until("response.output_audio.delta")
        hold.wait_reached()
        caller.speak(cough)
        caller.until("assistant.playback.paused")
        caller.until("assistant.playback.resumed")
        hold.let_go.set()
        assert caller.until("response.done")["response"]["status"] == "completed"
        assert caller.next()["type"] == "assistant.latency"
    assert base64.b64decode(caller.all("response.output_audio.delta")[0]["delta"])
