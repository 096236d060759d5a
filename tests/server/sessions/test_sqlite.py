"""The store of sessions, and the messages in it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from assistant.audio.samples import Audio
from assistant.config import SessionSettings
from assistant.errors import SettingsError
from assistant.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from assistant.server.sessions.serialize import NOT_KEPT, decode, encode, to_flac
from assistant.server.sessions.sqlite import SqliteStore
from assistant.server.sessions.store import SessionRecord, StoredMessage, StoreError

RECORD = SessionRecord("s1", "key", 1.0, 100.0, "Be brief.", "en", "default", "slt", ("a", "b"))
HELLO = StoredMessage({"role": "user", "parts": ["hello"], "transcript": ""})
TEXTS = st.text()  # halves of surrogate pairs included
CALLS = st.builds(ToolCall, TEXTS, TEXTS, TEXTS, TEXTS)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(SystemMessage, TEXTS),
    st.builds(UserMessage, st.lists(TEXTS, max_size=3).map(tuple), TEXTS),
    st.builds(
        AssistantMessage,
        TEXTS,
        st.lists(CALLS, max_size=2).map(tuple),
        st.lists(st.integers(0, 200_000), max_size=5).map(tuple),
    ),
    st.builds(ToolMessage, CALLS, st.sampled_from(["ok", "error", "cancelled"]), TEXTS),
)


def open_store(path: Path, **settings: int) -> SqliteStore:
    store = SqliteStore(SessionSettings(file=path / "s.sqlite3", **settings))  # type: ignore[arg-type]
    store.open()
    return store


def tone(rate: int = 24_000) -> Audio:
    return Audio((0.5 * np.sin(np.arange(rate) * 0.05)).astype(np.float32), rate)


@given(messages=st.lists(MESSAGES, max_size=6))
@bounded(max_examples=60, deadline=None)
def test_messages_are_restored_unchanged(
    messages: list[Message], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = open_store(tmp_path_factory.mktemp("store"))
    store.create(RECORD)
    store.append(RECORD, 0, [StoredMessage(*encode(message, "all")) for message in messages])
    found = store.read("s1")
    store.close()
    assert found is not None
    assert found[0] == RECORD
    assert [decode(message.value, message.audio) for message in found[1]] == messages


def test_a_recording_is_restored_at_16_khz(tmp_path: Path) -> None:
    value, recordings = encode(UserMessage(("say", tone()), ""), "all")
    message = decode(value, recordings)
    assert isinstance(message, UserMessage)
    text, audio = message.parts
    assert (text, audio.sample_rate) == ("say", 16_000)
    expected = tone().resampled(16_000).to_pcm16()
    assert np.array_equal(audio.to_pcm16(), expected)
    assert len(to_flac(tone())) < len(expected) * 2


@pytest.mark.parametrize(
    ("keep", "transcript", "parts"),
    [
        ("untranscribed", "what time is it", ("please", "what time is it")),
        ("none", "what time is it", ("please", "what time is it")),
        ("none", "", ("please", NOT_KEPT)),
    ],
)
def test_an_omitted_recording_is_restored_as_its_transcript(
    keep: str, transcript: str, parts: tuple[str, ...]
) -> None:
    value, recordings = encode(UserMessage(("please", tone()), transcript), keep)  # type: ignore[arg-type]
    assert recordings == ()
    assert decode(value, recordings) == UserMessage(parts)


def test_a_recording_without_a_transcript_is_stored_by_default() -> None:
    _, recordings = encode(UserMessage((tone(),)), SessionSettings().audio)
    assert len(recordings) == 1
    _, recordings = encode(UserMessage((tone(),), "heard"), SessionSettings().audio)
    assert recordings == ()


def test_a_session_is_deleted_with_its_recordings(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.create(RECORD)
    store.append(RECORD, 0, [replace(HELLO, audio=(b"SECRETSOUND" * 50,))])
    store.delete("s1")
    assert store.read("s1") is None
    store.close()
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"SECRETSOUND" not in left


def test_expired_sessions_are_deleted_but_not_those_in_use(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(4):
        store.create(replace(RECORD, id=f"s{number}", expires_at=float(number)))
    assert store.delete_expired(3.0, but=["s1"]) == ["s0", "s2"]
    assert store.count("key") == 2
    assert {record.id for record in store.of_owner("key", 9)} == {"s1", "s3"}
    store.close()


def test_a_full_store_says_so_and_continues_once_there_is_room(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path, max_bytes=200_000)
    store.create(RECORD)
    store.append(RECORD, 0, [HELLO])
    large = [HELLO, replace(HELLO, audio=(bytes(300_000),))]
    with pytest.raises(StoreError, match="no room") as caught:
        store.append(RECORD, 1, large)
    assert caught.value.full
    found = store.read("s1")
    assert found is not None
    assert found[1] == [HELLO]  # nothing of the turn that did not fit
    store.append(RECORD, 1, [HELLO])
    store.close()


def test_a_turn_for_a_deleted_session_is_an_error(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(StoreError, match="was deleted"):
        store.append(RECORD, 0, [HELLO])
    store.close()


def test_a_file_belongs_to_one_server_at_a_time(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(SettingsError, match="another server"):
        open_store(tmp_path)
    store.close()
    open_store(tmp_path).close()


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.create(RECORD)
    for path in tmp_path.glob("s.sqlite3*"):
        if path.suffix != ".lock":
            assert path.stat().st_mode & 0o077 == 0, path
    store.close()


def test_a_file_that_is_not_a_store_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite3").write_bytes(b"not a database, but long enough to look like one" * 50)
    with pytest.raises(SettingsError, match="can't keep sessions there"):
        open_store(tmp_path)
    (tmp_path / "s.sqlite3").unlink()
    with sqlite3.connect(tmp_path / "s.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SettingsError, match="another version"):
        open_store(tmp_path)


KILLED = """
import os, sys
from pathlib import Path
from assistant.config import SessionSettings
from assistant.server.sessions.sqlite import SqliteStore
from assistant.server.sessions.store import SessionRecord, StoredMessage

store = SqliteStore(SessionSettings(file=Path(sys.argv[1])))
store.open()
record = SessionRecord("s1", "key", 1.0, 100.0, "", "", "default", "default", None)
store.create(record)
store.append(record, 0, [StoredMessage({"number": 0}), StoredMessage({"number": 1})])
with store._transaction() as db:
    db.execute("INSERT INTO messages VALUES ('s1', 2, '{}')")
    os.kill(os.getpid(), 9)
"""


def test_a_killed_process_leaves_only_whole_turns(tmp_path: Path) -> None:
    file = tmp_path / "s.sqlite3"
    run = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert run.returncode == -9
    store = open_store(tmp_path)
    found = store.read("s1")
    store.close()
    assert found is not None
    assert [message.value["number"] for message in found[1]] == [0, 1]
