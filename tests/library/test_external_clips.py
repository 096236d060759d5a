"""External voices appear and disappear, and are never written to."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from assistant.audio.samples import Audio
from assistant.errors import LibraryError
from assistant.library import ClipInfo, Source, VoiceLibrary, describe

Clip = Callable[[str], Audio]
Write = Callable[[str, npt.NDArray[np.floating]], Path]


@pytest.fixture
def shop(tmp_path: Path, bundled_folder: Path) -> Path:
    """A folder with two clips that the library doesn't own."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, clip in (("default_female", "slt"), ("default_male", "rms")):
        shutil.copy(bundled_folder / f"{clip}.wav", folder / f"{name}.wav")
    return folder


def open_with(shop: Path, folder: Path) -> VoiceLibrary:
    def bring() -> Sequence[Source]:
        clips = sorted(shop.glob("*.wav"))
        return [Source(clip, ClipInfo(clip.stem, "from the shop"), str(clip)) for clip in clips]

    return VoiceLibrary(folder, clip_provider=bring)


def ids(library: VoiceLibrary) -> list[str]:
    return [voice.id for voice in library]


def test_external_clips_are_described_and_found_like_every_clip(
    shop: Path, tmp_path: Path, clip: Clip
) -> None:
    library = open_with(shop, tmp_path / "voices")
    male = library.get("default_male")
    assert male.path == shop / "default_male.wav"
    assert male.description == "from the shop"
    assert male.traits is not None
    assert "male voice" in describe(male.traits)
    assert library.search("a man, please")[0].voice == male
    assert library.search_like(clip("rms"))[0].voice == male


def test_external_clips_vanish_and_return_with_their_file(shop: Path, tmp_path: Path) -> None:
    library = open_with(shop, tmp_path / "voices")
    content = (shop / "default_male.wav").read_bytes()
    (shop / "default_male.wav").unlink()
    assert ids(library) == ["default_female"]
    assert [match.voice.id for match in library.search("a voice of a man")] == ["default_female"]
    with pytest.raises(LibraryError, match="default_male"):
        library.get("default_male")
    (shop / "default_male.wav").write_bytes(content)
    assert library.get("default_male").path == shop / "default_male.wav"


def test_a_replaced_external_clip_is_measured_again(
    shop: Path, tmp_path: Path, bundled_folder: Path, clip: Clip
) -> None:
    library = open_with(shop, tmp_path / "voices")
    before = library.get("default_male").traits
    assert library.search_like(clip("child"))[0].score < 0.9
    shutil.copy(bundled_folder / "child.wav", shop / "default_male.wav")
    assert library.get("default_male").traits != before
    match = library.search_like(clip("child"))[0]
    assert (match.voice.id, match.score) == ("default_male", pytest.approx(1.0, abs=1e-3))


def test_external_clips_are_not_copied_and_cannot_be_removed(shop: Path, tmp_path: Path) -> None:
    library = open_with(shop, tmp_path / "voices")
    with pytest.raises(LibraryError, match="not one of your clips"):
        library.remove("default_male")
    assert (shop / "default_male.wav").is_file()
    assert not (tmp_path / "voices").exists()


def test_external_clips_in_the_users_folder_cannot_be_removed(
    shop: Path, clip: Clip, write: Write
) -> None:
    library = open_with(shop, shop.parent)
    library.add([write("a.wav", clip("awb").samples[:30_000])], ClipInfo("mine"))
    with pytest.raises(LibraryError, match="not one of your clips"):
        library.remove("default_male")
    assert (shop / "default_male.wav").is_file()
    assert sorted(ids(library)) == ["default_female", "default_male", "mine"]


def test_a_users_clip_with_the_same_id_wins_and_the_log_says_so_once(
    shop: Path, tmp_path: Path, clip: Clip, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    own = VoiceLibrary(tmp_path / "voices")
    own.add([write("a.wav", clip("awb").samples[:30_000])], ClipInfo("default_male", "a sailor"))
    library = open_with(shop, tmp_path / "voices")
    assert library.get("default_male").description == "a sailor"
    library.add([write("b.wav", clip("kal").samples[:30_000])], ClipInfo("other"))
    assert sorted(ids(library)) == ["default_female", "default_male", "other"]
    path = shop / "default_male.wav"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"{path} is not used: another clip has the id 'default_male'"
    library.remove("default_male")
    assert library.get("default_male").path == path


def test_a_new_clip_does_not_take_the_id_of_an_external_clip(
    shop: Path, tmp_path: Path, clip: Clip, write: Write
) -> None:
    library = open_with(shop, tmp_path / "voices")
    source = write("default_male.wav", clip("awb").samples[:30_000])
    (refusal,) = library.add([source], ClipInfo("Default_Male")).refused
    assert refusal.reason == "the id 'Default_Male' is taken"
    (voice,) = library.add([source]).added
    assert voice.id == "default_male-2"
    assert library.get("default_male").path == shop / "default_male.wav"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("default_bad", b"RIFF and no more", "not audio that can be read"),
        ("default_bad", b"", "not audio that can be read"),
        ("a b", None, "an id is up to 64 letters"),
        ("default_bad", "folder", "irectory"),
        ("default_bad", "long", "the limit is 60 seconds"),
    ],
)
def test_an_unusable_external_clip_is_skipped_and_logged(
    shop: Path,
    tmp_path: Path,
    name: str,
    content: bytes | str | None,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = shop / f"{name}.wav"
    if content == "folder":
        path.mkdir()
    elif content == "long":
        soundfile.write(path, np.zeros(8_000 * 61), 8_000)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        shutil.copy(shop / "default_male.wav", path)
    with caplog.at_level(logging.WARNING):
        library = open_with(shop, tmp_path / "voices")
    assert ids(library) == ["default_female", "default_male"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{path} is not used: ")
    assert reason in line
    assert "\n" not in line


def test_a_manifest_that_breaks_later_leaves_external_clips_unchanged(
    shop: Path, tmp_path: Path, clip: Clip, write: Write
) -> None:
    library = open_with(shop, tmp_path / "voices")
    library.add([write("a.wav", clip("awb").samples[:30_000])], ClipInfo("mine"))
    (tmp_path / "voices" / "voices.toml").write_text("this is not TOML", "utf-8")
    assert sorted(ids(library)) == ["default_female", "default_male", "mine"]
