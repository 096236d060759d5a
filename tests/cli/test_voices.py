from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from assistant.cli import app
from assistant.config import bundled
from assistant.errors import AssistantError

RUNNER = CliRunner()
AWB = bundled("voices") / "awb.wav"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A part of a bundled clip, as a file of the user's."""
    samples, rate = soundfile.read(AWB)
    soundfile.write(tmp_path / "my clip.wav", samples[: rate * 2], rate)
    return tmp_path / "my clip.wav"


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 32_000), 16_000)
    return path


def voices(*arguments: object) -> Result:
    return RUNNER.invoke(app, ["voices", *map(str, arguments)])


def as_json(*arguments: object) -> Any:
    result = voices(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_list_shows_every_voice(tmp_path: Path) -> None:
    rows = as_json("list", "--library", tmp_path / "v")
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert {"awb", "slt", "rms"} <= {row["id"] for row in rows}
    shown = voices("list", "--library", tmp_path / "v").output
    assert "deep slow male voice" in " ".join(shown.split())


def test_search_finds_voices_by_words_and_by_a_clip(tmp_path: Path, clip: Path) -> None:
    folder = ("--library", tmp_path / "v")
    (row,) = as_json("search", "a scottish man", "--limit", "1", *folder)
    assert (row["id"], row["score"] > 0.8) == ("awb", True)
    assert as_json("search", clip, *folder)[0]["id"] == "awb"
    assert as_json("search", "女声", "--language", "zh", *folder)[0]["id"] == "mei"
    assert "No voice fits" in voices("search", "...", *folder).output


def test_a_clip_is_added_found_and_removed(tmp_path: Path, clip: Path) -> None:
    folder = ("--library", tmp_path / "v")
    added = voices(
        "add", clip, "--description", "a pirate", "--tags", "sea, old", "--licence", "CC0", *folder
    )
    assert (added.exit_code, added.stdout) == (0, "added my-clip: male voice, lively\n")
    assert as_json("search", "pirate", *folder)[0]["id"] == "my-clip"
    assert voices("remove", "my-clip", *folder).stdout == "removed my-clip\n"
    assert "my-clip" not in [row["id"] for row in as_json("list", *folder)]


def test_a_refused_clip_gives_its_reason_and_exit_status_2(
    tmp_path: Path, clip: Path, noise: Path
) -> None:
    result = voices("add", noise, clip, "--library", tmp_path / "v")
    assert result.exit_code == 2
    assert "added my-clip" in result.stdout
    assert f"refused {noise}: not speech" in result.stderr
    report = voices("add", clip, "--library", tmp_path / "v", "--json")
    assert report.exit_code == 2
    assert json.loads(report.stdout)["refused"][0]["reason"] == "already there, as 'my-clip'"


def test_describe_measures_a_clip() -> None:
    traits = as_json("describe", AWB)
    assert (traits["description"], traits["description_zh"]) == ("male voice", "男声")
    assert 110 < traits["pitch_hz"] < 140
    assert "syllables a second" in voices("describe", AWB).output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("describe", "nowhere.wav"), "nowhere.wav: no such file"),
        (("search", "nowhere.wav"), "nowhere.wav: no such file"),
        (("search", " "), "nothing to search for"),
        (("search", "man", "--language", "klingonese"), "language 'klingonese'"),
        (("remove", "awb"), "not one of your clips"),
        (("remove", "slty"), "did you mean 'slt'"),
    ],
)
def test_a_usage_error_is_one_line(arguments: tuple[str, ...], expected: str) -> None:
    error = voices(*arguments).exception
    assert isinstance(error, AssistantError)
    assert expected in str(error)
    assert "\n" not in str(error)
