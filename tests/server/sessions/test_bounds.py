"""What is kept of conversations has bounds, and is gone when it is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.config import SessionSettings
from assistant.server.sessions.sqlite import SqliteStore
from assistant.server.sessions.store import SessionRecord, StoredMessage
from assistant.testing import ScriptedEngine
from tests.support.serving import Serve, new_session, wav

CARD = "4111 1111 1111 1111"


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    store = SqliteStore(SessionSettings(file=tmp_path / "s.sqlite3"))
    store.open()
    return store


def record(id_: str, expires_at: float = 9e9, owner: str = "me") -> SessionRecord:
    return SessionRecord(id_, owner, 0.0, expires_at, "", "en", "default", "default", None)


def message(text: str) -> StoredMessage:
    return StoredMessage({"role": "user", "text": text}, (b"flac" * 100,))


@pytest.mark.parametrize("expired", [True, False])
def test_a_deleted_conversation_is_gone_from_every_file_at_once(
    store: SqliteStore, tmp_path: Path, expired: bool
) -> None:
    store.create(record("a", expires_at=5.0))
    store.append(record("a", expires_at=5.0), 0, [message(CARD)])
    assert any(CARD.encode() in path.read_bytes() for path in tmp_path.iterdir())
    if expired:
        assert store.delete_expired(6.0, []) == ["a"]
    else:
        store.delete("a")
    assert not [path for path in tmp_path.iterdir() if CARD.encode() in path.read_bytes()]
    store.close()


def test_files_that_were_there_become_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    for name in (path, tmp_path / "s.sqlite3-wal", tmp_path / "s.sqlite3-shm"):
        name.touch(mode=0o644)
    store = SqliteStore(SessionSettings(file=path))
    store.open()
    store.create(record("a"))
    modes = {name.name: name.stat().st_mode & 0o777 for name in tmp_path.glob("s.sqlite3*")}
    assert {mode for name, mode in modes.items() if not name.endswith(".lock")} == {0o600}
    store.close()


def test_the_size_of_a_key_is_that_of_its_own_sessions(store: SqliteStore) -> None:
    store.create(record("a"))
    before = store.size("me")
    store.append(record("a"), 0, [message("x" * 1_000)])
    assert 1_400 <= store.size("me") - before <= 1_600
    assert store.size("you") == 0
    store.delete("a")
    assert store.size("me") == 0
    store.close()


def test_a_key_that_has_stored_too_much_begins_no_more(serve: Serve) -> None:
    engine = ScriptedEngine(["x" * 70_000], ["Yes."])
    server = serve(engine, server={"sessions": {"max_bytes_per_key": 2**16}})
    session = new_session(server, speak=False)
    path = f"/v1/sessions/{session}/turns"
    server.client.post(path, json={"text": "hi"}).raise_for_status()
    while (refused := server.client.post(path, json={"text": "hi"})).status_code == 409:
        pass  # the first turn is being stored
    assert refused.status_code == 507
    answer = server.client.post("/v1/sessions", json={})
    assert answer.status_code == 507
    assert "delete some" in answer.text
    server.client.delete(f"/v1/sessions/{session}").raise_for_status()
    new_session(server)


@pytest.mark.parametrize(
    "metadata",
    [{"a": "x" * 513}, {"a" * 65: "x"}, {str(number): "x" for number in range(17)}, {"a": 1}],
)
def test_metadata_that_is_too_large_is_a_400(serve: Serve, metadata: dict[str, str]) -> None:
    assert serve().client.post("/v1/sessions", json={"metadata": metadata}).status_code == 400


def test_large_sessions_leave_memory_and_are_read_again(serve: Serve) -> None:
    engine = ScriptedEngine(*[["Yes."]] * 4)
    server = serve(engine, server={"sessions": {"max_memory_bytes": 2**16, "audio": "all"}})
    sessions = [new_session(server) for _ in range(3)]
    for session in sessions:
        path = f"/v1/sessions/{session}/turns"
        server.client.post(path, files={"audio": wav(1.0)}).raise_for_status()
    while server.metric("assistant_sessions_live") != 1:
        pass
    path = f"/v1/sessions/{sessions[0]}/turns"
    server.client.post(path, json={"text": "again"}).raise_for_status()
    assert len(engine.requests[-1].messages[1].audio) == 1


def test_text_to_read_and_the_text_of_a_chat_have_a_limit(serve: Serve) -> None:
    server = serve(server={"limits": {"max_speech_chars": 10, "max_text_chars": 20}})
    chat = {"messages": [{"role": "user", "content": "x" * 11}] * 2}
    for path, body, status in (
        ("/v1/audio/speech", {"input": "x" * 11}, 400),
        ("/generate", {"text": "x" * 11}, 400),
        ("/v1/chat/completions", chat, 413),
    ):
        answer = server.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        assert "characters" in answer.text
