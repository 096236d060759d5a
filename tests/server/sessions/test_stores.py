"""What every session store does: the one with SQLite, and the example without a disk."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.config import SessionSettings
from assistant.server.sessions.sqlite import SqliteStore
from assistant.server.sessions.store import (
    SessionRecord,
    SessionStore,
    StoredMessage,
    StoreError,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "extensions" / "memory_store.py"
RECORD = SessionRecord("s1", "key", 1.0, 100.0, "Be brief.", "en", "default", "slt", ("a", "b"))
HELLO = StoredMessage({"role": "user", "parts": ["hello"], "transcript": ""}, (b"flac",))
HI = StoredMessage({"role": "assistant", "text": "Hi.", "calls": [], "tokens": []})


def memory_store() -> SessionStore:
    spec = importlib.util.spec_from_file_location("memory_store", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    store: SessionStore = module.MemoryStore()
    return store


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionStore]:
    sqlite = SqliteStore(SessionSettings(file=tmp_path / "s.sqlite3"))
    store = sqlite if request.param == "sqlite" else memory_store()
    store.open()
    yield store
    store.close()


def test_a_session_is_read_with_its_messages_in_their_order(store: SessionStore) -> None:
    store.create(RECORD)
    assert store.read("s1") == (RECORD, [])
    later = replace(RECORD, voice="awb", turns=1)
    store.append(later, 0, [HELLO])
    store.append(later, 1, [HI])
    assert store.read("s1") == (later, [HELLO, HI])


def test_a_store_that_was_closed_can_be_opened_again(store: SessionStore) -> None:
    store.create(RECORD)
    store.close()
    store.open()
    assert store.read("s1") == (RECORD, [])


def test_an_unknown_session_is_none_to_read_and_nothing_to_delete(store: SessionStore) -> None:
    assert store.read("../s1") is None
    store.delete("s1")


def test_a_turn_for_a_session_that_was_deleted_is_an_error(store: SessionStore) -> None:
    store.create(RECORD)
    store.delete("s1")
    with pytest.raises(StoreError, match="was deleted"):
        store.append(RECORD, 0, [HELLO])
    assert store.read("s1") is None


def test_an_owner_sees_its_own_sessions_the_newest_first(store: SessionStore) -> None:
    for number in range(3):
        store.create(replace(RECORD, id=f"s{number}", created_at=float(number)))
    store.create(replace(RECORD, id="other", owner="other key"))
    assert store.count("key") == 3
    assert [record.id for record in store.of_owner("key", 2)] == ["s2", "s1"]


def test_expired_sessions_are_deleted_but_not_those_in_use(store: SessionStore) -> None:
    for number in range(4):
        store.create(replace(RECORD, id=f"s{number}", expires_at=float(number)))
    assert sorted(store.delete_expired(3.0, but=["s1"])) == ["s0", "s2"]
    assert store.count("key") == 2
    assert {record.id for record in store.of_owner("key", 9)} == {"s1", "s3"}
