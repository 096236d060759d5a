"""A conversation in the terminal, with its lines on standard input."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import anyio
import pytest

from assistant.audio.decode import read_audio
from assistant.testing import ScriptedEngine


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    def type_lines(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return type_lines


def test_a_conversation_has_a_history_and_writes_its_answers(cli, typed, tmp_path: Path) -> None:
    typed("What time is it in Tokyo?", "", "/voice slt", "And in Oslo?", "/quit", "not read")
    (tmp_path / "out").mkdir()
    run = cli("chat", "--out", "out")
    assert run.status == 0
    assert "Tokyo" in run.out
    assert "Oslo" in run.out
    assert "not read" not in run.out
    for number in (1, 2):
        path = tmp_path / "out" / f"answer-00{number}.wav"
        assert read_audio(path, max_seconds=60).seconds > 1


def test_an_error_in_a_line_is_reported_and_the_conversation_continues(cli, typed) -> None:
    typed("/audio none.wav", "/voice nobody", "/what", "hello")
    run = cli("chat", "--out", ".")
    assert run.status == 0
    for part in ("no such file", "nobody", "/audio FILE", "answer"):
        assert part in run.out


def test_ctrl_c_stops_the_answer_and_not_the_conversation(
    cli, typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()

    engine = ScriptedEngine(["Well, ", press, "never said"], ["Still here."])
    monkeypatch.setattr("assistant.assistant.create_engine", lambda settings: engine)
    typed("tell me a long story", "are you there")
    run = cli("chat", "--out", ".")
    assert run.status == 0
    assert "never said" not in run.out
    assert "Still here." in run.out


def test_a_missing_folder_is_an_error(cli) -> None:
    run = cli("chat", "--out", "nowhere")
    assert (run.status, run.err.count("\n")) == (2, 1)
