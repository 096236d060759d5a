from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from assistant.audio.samples import Audio
from assistant.errors import LibraryError
from assistant.library import ClipInfo, VoiceLibrary

Clip = Callable[[str], Audio]
Write = Callable[[str, npt.NDArray[np.floating]], Path]


def refusals(library: VoiceLibrary, *sources: Path, info: ClipInfo | None = None) -> list[str]:
    before = len(library)
    report = library.add(sources, info)
    assert len(library) == before + len(report.added)
    return [refusal.reason for refusal in report.refused]


def test_an_added_clip_can_be_found_and_removed(
    library: VoiceLibrary, clip: Clip, write: Write
) -> None:
    source = write("my voice.wav", clip("rms").samples[:40_000])
    info = ClipInfo("", "a storm-tossed sailor", "en-US", ("rough",), "long ago", "CC0", "asked")
    report = library.add([source], info)
    assert [voice.id for voice in report.added] == ["my-voice"]
    voice = library.search("sailor")[0].voice
    assert (voice.id, voice.language, voice.transcript) == ("my-voice", "en-US", "long ago")
    assert voice.path
    assert voice.path.parent == library.folder
    again = VoiceLibrary(library.folder)
    assert again.get("my-voice") == voice
    library.remove("my-voice")
    assert not voice.path.exists()
    assert "my-voice" not in [voice.id for voice in library]
    assert len(again) == 0, "another object sees the change"
    assert source.is_file()


def test_noise_tones_and_music_are_refused(
    empty_library: VoiceLibrary, no_speech: Audio, write: Write
) -> None:
    assert "not speech" in refusals(empty_library, write("x.wav", no_speech.samples))[0]
    assert not empty_library.folder.exists()


def test_each_unfit_clip_is_refused_with_its_reason_and_the_rest_is_added(
    empty_library: VoiceLibrary, clip: Clip, write: Write, tmp_path: Path
) -> None:
    voice = clip("awb").samples
    text = tmp_path / "text.wav"
    text.write_text("this is no sound")
    cases = {
        write("short.wav", voice[:15_000]): "too short: 0.94 seconds",
        write("long.wav", np.tile(voice, 20)): "the limit is 60 seconds",
        write("silent.wav", np.zeros(32_000)): "silent",
        write("nan.wav", np.full(32_000, np.nan)): "no numbers",
        write("empty.wav", np.zeros(0)): "holds no sound",
        text: "not audio",
        tmp_path / "nowhere.wav": "no such file",
        Path("with\0nul.wav"): "no such file",
        write("good.wav", voice): "",
        write("same.wav", voice): "already there, as 'good'",
    }
    report = empty_library.add(list(cases))
    assert [voice.id for voice in report.added] == ["good"]
    reasons = {refusal.source: refusal.reason for refusal in report.refused}
    for path, expected in cases.items():
        if expected:
            assert expected in reasons[str(path).replace("\0", "\\0")]


def test_the_same_audio_in_another_file_format_is_a_duplicate(
    library: VoiceLibrary, clip: Clip, tmp_path: Path
) -> None:
    path = tmp_path / "copy.flac"
    soundfile.write(path, clip("slt").to_pcm16(), 16_000)
    assert refusals(library, path) == ["already there, as 'slt'"]


def test_a_folder_is_searched_for_audio_files(
    empty_library: VoiceLibrary, clip: Clip, write: Write
) -> None:
    folder = write("a.wav", clip("awb").samples).parent
    write("b.wav", clip("slt").samples)
    (folder / "notes.txt").write_text("no sound")
    assert {voice.id for voice in empty_library.add([folder]).added} == {"a", "b"}


def test_a_folder_without_audio_files_is_refused(
    empty_library: VoiceLibrary, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "no sound files" in refusals(empty_library, tmp_path / "empty")[0]


ROWS = [
    {"wav": "a.wav", "description": "一位温柔的女士", "id": "lady", "tags": "warm; calm"},
    {"wav": "b.wav", "description": "a man, quite tall", "language": "en-GB"},
    {"wav": "", "description": "nothing"},
    {"wav": "missing.wav", "description": "not there"},
]


def write_list(path: Path, rows: list[dict[str, str]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
        return path
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ["wav", "description", "id", "tags", "language"])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl"])
def test_a_list_names_clips_and_descriptions(
    empty_library: VoiceLibrary, clip: Clip, write: Write, name: str
) -> None:
    folder = write("a.wav", clip("slt").samples).parent
    write("b.wav", clip("awb").samples)
    report = empty_library.add([write_list(folder / name, ROWS)], ClipInfo(licence="CC0"))
    assert [voice.id for voice in report.added] == ["lady", "b"]
    assert empty_library.search("温柔的女士")[0].voice.id == "lady"
    assert empty_library.get("b").description == "a man, quite tall"
    assert 'licence = "CC0"' in (empty_library.folder / "voices.toml").read_text("utf-8")
    (empty, missing) = report.refused
    assert "row 3" in empty.source
    assert "no `wav`" in empty.reason
    assert (missing.source, missing.reason) == (f"{folder / name} row 4", "no such file")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("l.csv", b"", "the list is empty"),
        ("l.csv", b"\xff\xfe\x00", "can't be read"),
        ("l.jsonl", b'{"wav": 1}', "no `wav`"),
        ("l.jsonl", b"[1]", "no `wav`"),
        ("l.jsonl", b"{", "can't be read"),
    ],
)
def test_a_broken_list_is_refused(
    empty_library: VoiceLibrary, tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert expected in refusals(empty_library, tmp_path / name)[0]


@pytest.mark.parametrize(
    "voice_id", ["../up", "/etc/x", "a/b", "a\\b", "nul\0", "..", ".hidden", "default", "x" * 65]
)
def test_a_hostile_id_is_refused_and_nothing_is_written(
    empty_library: VoiceLibrary, clip: Clip, write: Write, tmp_path: Path, voice_id: str
) -> None:
    source = write("a.wav", clip("awb").samples)
    before = sorted(tmp_path.rglob("*"))
    assert refusals(empty_library, source, info=ClipInfo(voice_id))[0].startswith("id: ")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix", reason="such names don't exist elsewhere")
@pytest.mark.parametrize("name", ["..\\..\\x.wav", "--.wav", "a ?*.wav", "default.wav", "中文.wav"])
def test_any_file_name_gives_an_id_inside_the_folder(
    empty_library: VoiceLibrary, clip: Clip, write: Write, name: str
) -> None:
    (voice,) = empty_library.add([write(name, clip("awb").samples)]).added
    assert voice.path
    assert voice.path.parent == empty_library.folder
    assert VoiceLibrary(empty_library.folder).get(voice.id) == voice


def test_ids_differ_by_more_than_case(library: VoiceLibrary, clip: Clip, write: Write) -> None:
    (voice,) = library.add([write("AWB.wav", clip("awb").samples[:30_000])]).added
    assert voice.id == "AWB-2"
    taken = refusals(library, write("x.wav", clip("awb").samples[100:]), info=ClipInfo("Slt"))
    assert taken == ["the id 'Slt' is taken"]


@pytest.mark.parametrize("voice_id", ["awb", "default"])
def test_a_clip_that_is_not_the_users_own_cannot_be_removed(
    library: VoiceLibrary, voice_id: str
) -> None:
    with pytest.raises(LibraryError, match="not one of your clips"):
        library.remove(voice_id)
    with pytest.raises(LibraryError, match="no voice has the id"):
        library.remove("nobody")
    assert not library.folder.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_an_error_of_one_line(
    tmp_path: Path, clip: Clip, write: Write
) -> None:
    tmp_path.joinpath("locked").mkdir(mode=0o500)
    with pytest.raises(LibraryError, match="can't be written"):
        VoiceLibrary(tmp_path / "locked").add([write("a.wav", clip("awb").samples)])


def test_a_file_in_place_of_the_folder_is_an_error_of_one_line(
    tmp_path: Path, clip: Clip, write: Write
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="can't be written"):
        VoiceLibrary(tmp_path / "file").add([write("a.wav", clip("awb").samples)])
