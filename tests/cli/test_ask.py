"""The main job through the command line: the real embedded engine, tools, voices and files."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
import soundfile

from assistant.audio.decode import read_audio
from assistant.library import measure

REPOSITORY = Path(__file__).parent.parent.parent
EXAMPLES = REPOSITORY / "examples"
GREAT_WALL = REPOSITORY.parent / "shared/audio/give_me_a_brief_introduction_to_the_great_wall.wav"

DICE = """
import assistant
@assistant.tool
def roll_dice(sides: int = 6) -> str:
    "Rolls a dice."
    return f"You rolled a {sides}."
"""


@pytest.fixture
def dice(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "dice.py").write_text(DICE)
    return folder


def pitch(path: Path) -> float:
    return measure(read_audio(path, max_seconds=60)).pitch_hz


def test_a_spoken_question_gets_a_spoken_answer_by_a_tool(cli, tmp_path: Path) -> None:
    question = EXAMPLES / "what_time_is_it_in_tokyo.wav"
    run = cli("ask", "--audio", question, "--out", "answer.wav", "--json")
    assert run.status == 0
    assert run.events[0]["type"] == "turn_started"
    assert "tokyo" in run.of_type("transcript")[0]["text"]
    (finished,) = run.of_type("tool_call_finished")
    assert (finished["name"], finished["outcome"]) == ("date_time", "ok")
    (ended,) = run.of_type("turn_ended")
    assert "Tokyo" in ended["text"]
    pcm = read_audio(tmp_path / "answer.wav", max_seconds=60)
    assert pcm.sample_rate == 24_000
    assert pcm.seconds == pytest.approx(ended["audio_seconds"])
    assert np.sqrt(np.mean(pcm.samples**2)) > 0.01


def test_json_lines_are_the_only_output_and_carry_samples_if_asked(cli) -> None:
    run = cli("ask", "What time is it in Oslo?", "--json-audio")
    recordings = run.of_type("audio")
    samples = [np.frombuffer(base64.b64decode(s["samples"]), "<i2") for s in recordings]
    assert sum(map(len, samples)) / 24_000 == pytest.approx(
        run.of_type("turn_ended")[0]["audio_seconds"]
    )
    assert [s["start"] for s in recordings] == pytest.approx(
        [sum(map(len, samples[:n])) / 24_000 for n in range(len(samples))]
    )
    assert set(run.of_type("turn_ended")[0]["latency"]) == {
        "first_text",
        "first_audio",
        "tools",
        "total",
    }


def test_one_request_gets_a_deep_voice_and_the_time(cli, tmp_path: Path) -> None:
    normal = cli("ask", "What time is it in Tokyo?", "--out", "normal.wav")
    deep = cli(
        "ask", "Please speak in a deep male voice. What time is it in Tokyo?", "--out", "deep.wav",
        "--json",
    )  # fmt: skip
    assert (normal.status, deep.status) == (0, 0)
    assert deep.of_type("voice_changed")
    assert {event["name"] for event in deep.of_type("tool_call_finished")} == {
        "audio_search",
        "date_time",
    }
    assert "Tokyo" in deep.of_type("turn_ended")[0]["text"]
    # The lead-in is still in the normal voice, the answer is most of the audio.
    assert pitch(tmp_path / "deep.wav") < 0.85 * pitch(tmp_path / "normal.wav")


def test_a_five_line_plugin_is_called_from_typed_text(cli, dice: Path) -> None:
    run = cli("ask", "Roll a dice with 20 sides.", "--tools", dice, "--json")
    assert run.status == 0
    (started,) = run.of_type("tool_call_started")
    assert (started["name"], started["arguments"]) == ("roll_dice", '{"sides": 20}')
    assert "You rolled a 20." in run.of_type("turn_ended")[0]["text"]


def test_a_five_line_plugin_is_called_from_a_spoken_question(cli, dice: Path) -> None:
    run = cli("ask", "--audio", EXAMPLES / "roll_a_dice.wav", "--tools", dice, "--json")
    assert run.status == 0
    assert [event["name"] for event in run.of_type("tool_call_finished")] == ["roll_dice"]
    assert "You rolled a" in run.of_type("turn_ended")[0]["text"]


@pytest.mark.skipif(not GREAT_WALL.is_file(), reason="the recording is not in this checkout")
def test_a_web_search_without_a_network_says_that_the_web_is_out_of_reach(cli) -> None:
    run = cli("ask", "--audio", GREAT_WALL, "--json")
    assert run.status == 0
    assert "great wall" in run.of_type("transcript")[0]["text"]
    (started,) = run.of_type("tool_call_started")
    assert started["name"] == "web_search"
    assert "great wall" in started["arguments"]
    if run.of_type("tool_call_finished")[0]["outcome"] == "error":  # no network here
        assert "could not reach the web" in run.of_type("turn_ended")[0]["text"]


def test_the_output_shows_the_transcript_the_calls_the_answer_and_the_file(cli) -> None:
    question = EXAMPLES / "what_time_is_it_in_tokyo.wav"
    run = cli("ask", "--audio", question, "--out", "answer.wav")
    for part in ("what time is it in tokyo", "date_time", "Tokyo", "answer.wav", "first audio"):
        assert part in run.out


def mistakes(folder: Path) -> list[tuple[list[object], str]]:
    (folder / "words.wav").write_text("is empty")
    soundfile.write(folder / "empty.wav", np.zeros(0, "float32"), 16_000)
    (folder / "bad.toml").write_text("voise = 'slt'")
    (folder / "bad_tools").mkdir()
    (folder / "bad_tools" / "bad.py").write_text("import assistant\n\ndef broken(:\n")
    hours = folder / "hours.flac"
    with soundfile.SoundFile(hours, "w", 8_000, 1) as file:
        for _ in range(180):
            file.write(np.zeros(60 * 8_000, "int16"))
    return [
        (["--audio", "none.wav"], "no such file"),
        (["--audio", "words.wav"], "not audio"),
        (["--audio", "empty.wav"], "is empty"),
        (["--audio", hours], "the limit is 600 seconds"),
        (["hello", "--engine", "embeded"], "did you mean 'embedded'?"),
        (["hello", "--voice", "nobody"], "nobody"),
        (["hello", "--settings", "bad.toml"], "did you mean 'voice'?"),
        (["hello", "--settings", "none.toml"], "can't be read"),
        (["hello", "--tools", "bad_tools"], "bad.py:3"),
        (["hello", "--tools", "no_folder"], "no_folder"),
        (["hello", "--task", "dance"], "no task is called 'dance'"),
        (["hello", "--out", "no/such/folder.wav"], "there is no folder"),
        (["hello", "--audio", "words.wav"], "either TEXT or --audio"),
        ([""], "nothing was asked"),
        ([], "either TEXT or --audio"),
    ]


def test_a_usage_error_is_one_clear_line_and_exit_status_2(cli, tmp_path: Path) -> None:
    for arguments, message in mistakes(tmp_path):
        run = cli("ask", *arguments)
        assert run.status == 2, arguments
        assert message in run.err, arguments
        assert run.err.count("\n") == 1, run.err
        assert run.out == "", arguments


def test_a_failed_turn_has_exit_status_1(cli) -> None:
    run = cli("ask", "translate this", "--task", "translate", "--json")
    assert run.status == 1
    assert run.of_type("failed")
    assert run.of_type("turn_ended")[0]["reason"] == "failed"
