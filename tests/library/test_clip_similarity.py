"""Vectors of clips by other embedders: computed once per clip, in separate indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from assistant.audio.samples import Audio, Float32
from assistant.errors import AudioError
from assistant.library import ClipInfo, Embedder, VoiceLibrary
from assistant.library.embedding import unit_rows

Clip = Callable[[str], Audio]
Write = Callable[[str, npt.NDArray[np.floating]], Path]


class Bands:
    """Embeds clips by their loudness in a few bands, and counts its calls."""

    version = 1
    dim = 8

    def __init__(self, name: str = "bands") -> None:
        self.name = name
        self.seen = 0
        self.most_at_once = 0

    def __call__(self) -> Embedder[Audio]:
        return self

    def embed(self, items: Sequence[Audio]) -> Float32:
        self.seen += len(items)
        self.most_at_once = max(self.most_at_once, len(items))
        return unit_rows(np.stack([self._bands(item) for item in items]))

    def _bands(self, pcm: Audio) -> Float32:
        spectrum = np.abs(np.fft.rfft(pcm.resampled(16_000).samples))
        parts = np.array_split(spectrum, self.dim)
        return np.array([part.sum() for part in parts], dtype=np.float32)


@pytest.fixture
def folder(empty_library: VoiceLibrary, clip: Clip, write: Write) -> Path:
    """A folder of the user's with three clips."""
    for name in ("awb", "rms", "slt"):
        source = write(f"{name}.wav", clip(name).samples[:30_000])
        empty_library.add([source], ClipInfo(f"my-{name}"))
    return empty_library.folder


def test_the_embedder_is_created_by_the_first_search_by_a_clip(folder: Path, clip: Clip) -> None:
    made: list[Embedder[Audio]] = []

    def make() -> Embedder[Audio]:
        made.append(Bands())
        return made[-1]

    library = VoiceLibrary(folder, audio_embedder=make)
    library.search("a man")
    assert not made
    for _ in range(2):
        library.search_like(clip("slt"))
    assert len(made) == 1


def test_a_clip_is_embedded_once_under_any_id(folder: Path, clip: Clip) -> None:
    first = Bands()
    found = VoiceLibrary(folder, audio_embedder=first).search_like(clip("slt"))
    assert first.seen == 3 + 1  # the clips, and what was searched for
    manifest = folder / "voices.toml"
    manifest.write_text(manifest.read_text("utf-8").replace('"my-slt"', '"carla"'), "utf-8")
    second = Bands()
    again = VoiceLibrary(folder, audio_embedder=second).search_like(clip("slt"))
    assert second.seen == 1
    renamed = [match.voice.id.replace("my-slt", "carla") for match in found]
    assert [match.voice.id for match in again] == renamed


def test_switching_between_embedders_embeds_nothing_again(folder: Path, clip: Clip) -> None:
    for name in ("one", "other"):
        VoiceLibrary(folder, audio_embedder=Bands(name)).search_like(clip("slt"))
    for name in ("one", "other", "one"):
        embedder = Bands(name)
        VoiceLibrary(folder, audio_embedder=embedder).search_like(clip("slt"))
        assert embedder.seen == 1, name


def test_two_voices_of_one_clip_are_both_found(folder: Path, clip: Clip) -> None:
    manifest = folder / "voices.toml"
    text = manifest.read_text("utf-8")
    manifest.write_text(text + '\n[[voices]]\nid = "twin"\nfile = "my-slt.wav"\n', "utf-8")
    found = VoiceLibrary(folder, audio_embedder=Bands()).search_like(clip("slt"), limit=2)
    assert {match.voice.id for match in found} == {"my-slt", "twin"}
    assert found[0].score == found[1].score


def test_clips_embedded_before_an_error_are_not_embedded_again(folder: Path, clip: Clip) -> None:
    path = folder / "my-slt.wav"  # the last one
    content = path.read_bytes()
    library = VoiceLibrary(folder, audio_embedder=Bands(), clips_in_memory=1)
    path.unlink()
    with pytest.raises(AudioError, match=r"my-slt\.wav: no such file"):
        library.search_like(clip("slt"))
    path.write_bytes(content)
    embedder = Bands()
    assert VoiceLibrary(folder, audio_embedder=embedder).search_like(clip("slt"))
    assert embedder.seen == 1 + 1


def test_clips_embedded_before_ctrl_c_are_not_embedded_again(folder: Path, clip: Clip) -> None:
    with pytest.raises(KeyboardInterrupt):
        VoiceLibrary(folder, audio_embedder=Impatient(), clips_in_memory=1).search_like(clip("slt"))
    embedder = Bands()
    VoiceLibrary(folder, audio_embedder=embedder).search_like(clip("slt"))
    assert embedder.seen == 1 + 1


def test_only_a_few_clips_are_in_memory_at_the_same_time(folder: Path, clip: Clip) -> None:
    library, embedder = VoiceLibrary(folder), Bands()
    speech = clip("kal").samples
    sources = folder.parent / "many"
    sources.mkdir()
    write_pieces(sources, speech, 20)
    assert not library.add([sources]).refused
    VoiceLibrary(folder, audio_embedder=embedder).search_like(clip("slt"))
    assert embedder.seen == 23 + 1
    assert embedder.most_at_once == 16


def test_progress_says_how_many_clips_are_indexed(folder: Path, clip: Clip) -> None:
    reports: list[tuple[str, int, int]] = []

    def on_progress(title: str, done: int, total: int) -> None:
        reports.append((title, done, total))

    library = VoiceLibrary(folder, audio_embedder=Bands(), on_progress=on_progress)
    library.search_like(clip("slt"))
    assert ("Indexing voices", 0, len(library)) in reports
    reports.clear()
    library.search_like(clip("slt"))
    assert reports == []


def test_audio_without_a_voice_is_similar_to_no_clip(folder: Path) -> None:
    library = VoiceLibrary(folder, audio_embedder=Bands())
    assert library.search_like(Audio(np.zeros(16_000, np.float32), 16_000)) == []


def write_pieces(folder: Path, speech: Float32, count: int) -> None:
    for number in range(count):
        start = 500 * number
        soundfile.write(folder / f"p{number}.wav", speech[start : start + 20_000], 16_000)


class Impatient(Bands):
    """Is stopped by Ctrl-C at the third clip."""

    def embed(self, items: Sequence[Audio]) -> Float32:
        if self.seen == 2:
            raise KeyboardInterrupt
        return super().embed(items)
