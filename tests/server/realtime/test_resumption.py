"""Lost connections, and a server that stops."""

from __future__ import annotations

import signal
from pathlib import Path

from websockets.sync.client import connect

from assistant.server.auth.key_file import add_key
from assistant.server.realtime.resumption import ResumableSessions
from assistant.testing import ScriptedEngine
from tests.server.realtime.realtime_client import Caller, calling, speech
from tests.support.serving import Hold, Running, Serve, process

STORY = "Once upon a time there was a very long story that nobody ever heard to its end. "


def lose(caller: Caller) -> str:
    """Breaks the connection without a close; returns the session's id."""
    caller.socket.socket.close()
    return str(caller.seen[0]["session"]["id"])


def wait_resumable(server: Running, count: int = 1) -> None:
    """Returns once the server has noticed."""
    with calling(server) as caller:
        while len(server.app.state.server.get(ResumableSessions)) != count:
            caller.update()
        caller.socket.close()


def texts(engine: ScriptedEngine) -> list[str]:
    return [message.text for message in engine.requests[-1].messages[1:]]


def test_a_lost_client_resumes_where_it_was(serve: Serve) -> None:
    engine = ScriptedEngine(["Hello, Ann."], ["Ann."])
    server = serve(engine)
    with calling(server) as caller:
        audio = {"output": {"voice": "awb"}}
        # In text: speech would be truncated to what was played.
        caller.update(instructions="Be brief.", output_modalities=["text"], audio=audio)
        question = caller.say("I am Ann.")
        caller.respond()
        session_id = lose(caller)
    wait_resumable(server)
    with calling(server, f"session_id={session_id}") as caller:
        session = caller.seen[0]["session"]
        assert session["id"] == session_id
        assert session["instructions"] == "Be brief."
        assert session["audio"]["output"]["voice"] == "awb"
        caller.after("conversation.item.retrieve", "conversation.item.retrieved", item_id=question)
        caller.say("Who am I?")
        assert caller.text_of(caller.respond()) == "Ann."
    assert texts(engine) == ["I am Ann.", "Hello, Ann.", "Who am I?"]
    assert engine.requests[-1].voice.id == "awb"


def test_a_response_cut_off_by_a_lost_connection_is_truncated_to_what_was_played(
    serve: Serve, hold: Hold
) -> None:
    engine = ScriptedEngine([STORY, hold, "The end."], ["Where were we?"])
    server = serve(engine)
    with calling(server) as caller:
        caller.say("A story!")
        caller.send("response.create")
        caller.until("response.output_audio.delta")
        hold.wait_reached()
        session_id = lose(caller)
    wait_resumable(server)
    with calling(server, f"session_id={session_id}") as caller:
        caller.respond()
    played = texts(engine)
    assert played[0] == "A story!"
    assert len(played) <= 2
    assert STORY.startswith("".join(played[1:]))
    assert len("".join(played[1:])) < len(STORY)


def test_a_speculative_response_is_not_stored(serve: Serve, hold: Hold) -> None:
    engine = ScriptedEngine(lambda r: [hold] if len(r.messages) == 2 else ["Yes."])
    server = serve(
        engine,
        live={
            "lead_ins": False,
            "speculate_ms": 100,
            "silence_ms": 9_000,
            "long_silence_ms": 9_000,
        },
    )
    with calling(server) as caller:
        caller.say("Hello.")
        caller.speak(speech(silence_s=0.5))
        session_id = None
        while len(engine.requests) == 0:
            caller.update()
        session_id = lose(caller)
    wait_resumable(server)
    hold.let_go.set()
    with calling(server, f"session_id={session_id}") as caller:
        caller.respond()
    assert texts(engine) == ["Hello."]


def test_a_connection_that_still_seems_alive_is_taken_over(serve: Serve) -> None:
    engine = ScriptedEngine(["Yes."])
    server = serve(engine)
    with calling(server) as first:
        first.say("Hello.")
        session_id = first.seen[0]["session"]["id"]
        with calling(server, f"session_id={session_id}") as second:
            assert second.seen[0]["session"]["id"] == session_id
            assert first.closed() == (4001, "taken over")
            second.respond()
    assert texts(engine) == ["Hello."]


def test_a_client_that_closed_normally_can_not_resume(serve: Serve) -> None:
    server = serve()
    with calling(server) as caller:
        session_id = caller.seen[0]["session"]["id"]
    with calling(server, f"session_id={session_id}") as caller:
        assert caller.seen[0]["session"]["id"] != session_id
    assert len(server.app.state.server.get(ResumableSessions)) == 0


def test_no_other_key_can_resume_a_conversation(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    mine, other = add_key(file), add_key(file)
    server = serve(ScriptedEngine(["Yes."]), server={"keys": file})
    with calling(server, key=mine) as caller:
        session_id = caller.seen[0]["session"]["id"]
        with calling(server, f"session_id={session_id}", key=other) as thief:
            assert thief.seen[0]["session"]["id"] != session_id
            thief.update()
        caller.update()
        lose(caller)
    with calling(server, key=mine) as watcher:
        while len(server.app.state.server.get(ResumableSessions)) != 1:
            watcher.update()
        with calling(server, f"session_id={session_id}", key=other) as thief:
            assert thief.seen[0]["session"]["id"] != session_id
        with calling(server, f"session_id={session_id}", key=mine) as caller:
            assert caller.seen[0]["session"]["id"] == session_id


def test_disconnected_conversations_are_bounded_by_number_and_time(serve: Serve) -> None:
    server = serve(server={"sockets": {"max_resumable": 2, "resume_s": 0.5}})
    ids = []
    for count in (1, 2, 2):
        with calling(server) as caller:
            ids.append(lose(caller))
        with calling(server) as watcher:
            while server.metric("assistant_sockets_open") > 1:
                watcher.update()
            assert len(server.app.state.server.get(ResumableSessions)) <= count
            watcher.socket.close()
    with calling(server) as watcher:
        while len(server.app.state.server.get(ResumableSessions)):
            watcher.update()
    with calling(server, f"session_id={ids[-1]}") as caller:
        assert caller.seen[0]["session"]["id"] != ids[-1]


def test_a_server_that_is_about_to_stop_lets_a_response_end(tmp_path: Path) -> None:
    with process(tmp_path) as (running, client):
        server = client.base_url.copy_with(scheme="ws", path="/v1/realtime")
        with connect(str(server)) as talking, connect(str(server)) as silent:
            caller = Caller(talking)
            caller.until("session.created")
            caller.say("wait")
            caller.send("response.create")
            caller.until("response.output_audio_transcript.delta")
            running.send_signal(signal.SIGTERM)
            assert Caller(silent).closed() == (1001, "the server is about to stop")
            done = caller.until("response.done")["response"]
            assert caller.text_of(done) == "One two."
            assert caller.closed()[0] == 1001
        assert running.wait(30) == 0
