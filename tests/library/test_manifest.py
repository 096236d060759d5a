from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assistant.errors import LibraryError
from assistant.library import VoiceLibrary
from assistant.library.manifest import Entry, Manifest, read_manifest
from assistant.library.writing import add_entries, remove_entries


def folder_with(folder: Path, text: str, bundled_folder: Path, name: str = "voices.toml") -> Path:
    folder.mkdir()
    shutil.copy(bundled_folder / "awb.wav", folder / "a.wav")
    (folder / name).write_text(text, "utf-8")
    return folder


def problems_of(folder: Path) -> str:
    with pytest.raises(LibraryError) as caught:
        VoiceLibrary(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


GOOD = '[[voices]]\nid = "a"\nfile = "a.wav"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD + 'descripton = "x"', "did you mean 'description'?"),
        (GOOD + 'language = "english"', "language: not a BCP 47 language tag"),
        (GOOD + f'sha256 = "{"0" * 64}"', "a.wav has changed"),
        (GOOD + 'sha256 = "12"', "voice 1 (a): sha256"),
        (GOOD + GOOD, "two voices have the id 'a'"),
        (GOOD.replace("a.wav", "b.wav"), "no such file: b.wav"),
        (GOOD.replace("a.wav", "../a.wav"), "must be a path inside the folder"),
        (GOOD.replace("a.wav", "/etc/passwd"), "must be a path inside the folder"),
        (GOOD.replace("a.wav", "c:x.wav"), "must be a path inside the folder"),
        (GOOD.replace("a.wav", "x\\\\y.wav"), "must be a path inside the folder"),
        (GOOD.replace("a.wav", "x\\u0000.wav"), "must be a path inside the folder"),
        (GOOD.replace('"a"', '"default"'), "the engine's own voice"),
        (GOOD.replace('"a"', '"../a"'), "an id is up to 64"),
        (GOOD.replace('"a"', "7"), "id: input should be a valid string"),
        ("[[voices]]\nfile = 'a.wav'", "voice 1: id: field required"),
        (GOOD + "[voices.traits]\npitch_hz = nan", "pitch_hz"),
        ("voices = 3", "must be [[voices]] tables"),
        ("voices = [3]", "voice 1"),
        ("[voice]\nid = 'a'", "unknown key 'voice'"),
        ("[[voices]\n", "can't be read"),
    ],
)
def test_faults_of_a_manifest_are_reported_at_load(
    tmp_path: Path, bundled_folder: Path, text: str, expected: str
) -> None:
    folder = folder_with(tmp_path / "v", text, bundled_folder)
    assert expected in problems_of(folder)


def test_all_problems_are_reported_at_once(tmp_path: Path, bundled_folder: Path) -> None:
    text = GOOD + GOOD.replace('"a"', '"b"') + "tag = 1\n" + GOOD.replace("a.wav", "nowhere.wav")
    found = problems_of(folder_with(tmp_path / "v", text, bundled_folder))
    for expected in ("did you mean 'tags'?", "two voices have the id 'a'", "nowhere.wav"):
        assert expected in found


@pytest.mark.skipif(os.name != "posix", reason="links need a right of their own elsewhere")
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, bundled_folder: Path) -> None:
    folder = folder_with(tmp_path / "v", GOOD.replace("a.wav", "link.wav"), bundled_folder)
    (folder / "link.wav").symlink_to(bundled_folder / "awb.wav")
    assert "leads out of the folder" in problems_of(folder)


def test_the_id_of_a_bundled_voice_cannot_be_used_again(
    tmp_path: Path, bundled_folder: Path
) -> None:
    folder = folder_with(tmp_path / "v", GOOD.replace('"a"', '"awb"'), bundled_folder)
    with pytest.raises(LibraryError, match="'awb' is also in"):
        VoiceLibrary(folder, bundled=bundled_folder)


def test_json_lines_are_read_like_toml(tmp_path: Path, bundled_folder: Path) -> None:
    line = json.dumps({"id": "a", "file": "a.wav", "tags": ["x"], "language": "en-GB"})
    folder = folder_with(tmp_path / "v", f"{line}\n\n", bundled_folder, "voices.jsonl")
    voice = VoiceLibrary(folder).get("a")
    assert voice.language == "en-GB"
    assert voice.traits
    assert voice.traits.pitch_hz > 100


def test_a_broken_json_line_is_reported_by_its_number(tmp_path: Path, bundled_folder: Path) -> None:
    folder = folder_with(tmp_path / "v", "\n{oops", bundled_folder, "voices.jsonl")
    assert "line 2" in problems_of(folder)


@pytest.mark.parametrize("depth", [70, 200_000])
def test_a_json_line_that_is_nested_too_deep_is_reported(
    tmp_path: Path, bundled_folder: Path, depth: int
) -> None:
    line = '{"id": ' + "[" * depth + "]" * depth + "}"
    folder = folder_with(tmp_path / "v", line, bundled_folder, "voices.jsonl")
    assert "line 1" in problems_of(folder)


def test_two_manifests_in_a_folder_are_an_error(tmp_path: Path, bundled_folder: Path) -> None:
    folder = folder_with(tmp_path / "v", GOOD, bundled_folder)
    (folder / "voices.jsonl").write_text("")
    assert "remove one of them" in problems_of(folder)


def test_adding_and_removing_keep_comments(tmp_path: Path) -> None:
    path = tmp_path / "voices.toml"
    path.write_text("# mine\n[[voices]]\nid = 'a'  # first\nfile = 'a.wav'\n", "utf-8")
    manifest, _ = read_manifest(tmp_path)
    added = add_entries(manifest, [Entry(id="b", file="b.wav", tags=("x", "y"))])
    assert "# first" in path.read_text("utf-8")
    remove_entries(added, {"b"})
    assert path.read_text("utf-8").startswith("# mine")
    assert "# first" in path.read_text("utf-8")
    assert [entry.id for entry in read_manifest(tmp_path)[0].entries] == ["a"]


def test_a_manifest_of_inline_tables_can_be_added_to(tmp_path: Path) -> None:
    (tmp_path / "voices.toml").write_text("voices = [{id = 'a', file = 'a.wav'}]", "utf-8")
    manifest, _ = read_manifest(tmp_path)
    add_entries(manifest, [Entry(id="b", file="b.wav")])
    assert [entry.id for entry in read_manifest(tmp_path)[0].entries] == ["a", "b"]


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = st.from_regex(r"[A-Za-z0-9\u4e00-\u9fff][A-Za-z0-9_-]{0,8}", fullmatch=True)
entries = st.builds(
    Entry,
    id=ids.filter(lambda name: name != "default"),
    file=ids.map("{}.wav".format),
    description=words,
    tags=st.lists(words, max_size=3).map(tuple),
    transcript=words,
    language=st.sampled_from(["", "en", "zh-CN", "cmn-Hans-CN"]),
    license=words,
    consent=words,
)


@pytest.mark.parametrize("name", ["voices.toml", "voices.jsonl"])
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(entries, max_size=5, unique_by=lambda entry: entry.id), data=st.data())
def test_any_manifest_that_is_written_is_read_back_unchanged(
    tmp_path: Path, name: str, rows: list[Entry], data: st.DataObject
) -> None:
    path = tmp_path / name
    path.unlink(missing_ok=True)
    cut = data.draw(st.integers(0, len(rows)))
    manifest = add_entries(add_entries(Manifest(path), rows[:cut]), rows[cut:])
    assert (read_manifest(tmp_path)[0].entries, read_manifest(tmp_path)[1]) == (tuple(rows), [])
    gone = set(data.draw(st.lists(st.sampled_from(rows)) if rows else st.just([])))
    remove_entries(manifest, {entry.id for entry in gone})
    left = tuple(entry for entry in rows if entry not in gone)
    assert (read_manifest(tmp_path)[0].entries, read_manifest(tmp_path)[1]) == (left, [])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["id", "file", "tags", "traits", "sha256", "language", "description", "x"])


@hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(json_values | st.dictionaries(keys, json_values, max_size=5), max_size=4))
def test_any_json_gives_entries_or_problems_and_no_exception(
    tmp_path: Path, rows: list[object]
) -> None:
    text = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "voices.jsonl").write_text(text, "utf-8")
    manifest, problems = read_manifest(tmp_path)
    assert len(manifest.entries) + len(problems) >= len(rows)
