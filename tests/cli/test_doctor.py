from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from assistant.cli import doctor


def test_a_working_install_is_reported_as_working(cli) -> None:
    run = cli("doctor", "--json")
    findings = {finding["part"]: finding for finding in json.loads(run.out)}
    assert run.status == 0
    assert findings["python"]["ok"]
    assert findings["packages"]["ok"]
    assert "audio_search, date_time, weather, web_search" in findings["tools"]["detail"]
    assert findings["voices"]["ok"]
    assert not findings["extra step-audio-2"]["needed"]


def test_a_missing_part_is_reported_with_the_command_that_installs_it(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = doctor.version

    def version(name: str) -> str:
        if name in ("torch", "faiss-cpu"):
            raise PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor, "version", version)
    run = cli("doctor")
    assert run.status == 1
    assert "missing: faiss-cpu" in run.out
    assert "pip install 'step-voice-assistant[step-audio-2]'" in run.out


def test_a_broken_tool_file_is_found(cli, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise RuntimeError('boom')\n")
    (tmp_path / "assistant.toml").write_text("[plugins]\nfolders = ['.']\n")
    run = cli("doctor")
    assert run.status == 1
    assert "bad.py:1" in run.out


def test_a_broken_voice_library_is_found(cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "voices.toml").write_text("[[voices]]\nid = 'a'\nfile = 'none.wav'\n")
    (tmp_path / "assistant.toml").write_text(f"[library]\nfolder = '{folder}'\n")
    run = cli("doctor")
    assert run.status == 1
    assert "none.wav" in run.out
