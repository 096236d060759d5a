from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from assistant.audio.samples import Audio, Float32
from assistant.errors import LibraryError
from assistant.library import ClipInfo, VoiceLibrary
from assistant.library.embedding import LexicalEmbedder, unit_rows
from assistant.library.files import write_atomic
from assistant.library.index import EXACT_LIMIT, VectorIndex
from assistant.library.index_files import load_index, save_index

Clip = Callable[[str], Audio]
Write = Callable[[str, npt.NDArray[np.floating]], Path]
EMBEDDER = LexicalEmbedder(32)


def rows(count: int, seed: int = 0, dim: int = 32) -> tuple[list[bytes], Float32]:
    """Clustered vectors, and a key for each."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(100, dim))[random.integers(0, 100, count)]
    keys = [f"{seed}-{number}".encode().rjust(16, b".") for number in range(count)]
    return keys, unit_rows(centers + 0.3 * random.normal(size=(count, dim)))


def nearest(keys: list[bytes], vectors: Float32, query: Float32, limit: int) -> list[bytes]:
    return [keys[row] for row in np.argsort(-(vectors @ query), kind="stable")[:limit]]


def test_a_small_index_is_exact() -> None:
    keys, vectors = rows(500)
    index = VectorIndex.empty(32).with_rows(keys[:300], vectors[:300])
    index = index.with_rows(keys[300:], vectors[300:])
    for query in rows(20, seed=1)[1]:
        assert [key for key, _ in index.search(query, 10)] == nearest(keys, vectors, query, 10)


def test_a_large_index_is_approximate_and_finds_nearly_all() -> None:
    keys, vectors = rows(EXACT_LIMIT + 1_000)
    index = VectorIndex.empty(32).with_rows(keys, vectors)
    assert index.main.accelerator is not None
    late, more = rows(500, seed=2)
    index = index.with_rows(late, more)
    assert len(index) == EXACT_LIMIT + 1_500
    every, right = (keys + late, np.vstack([vectors, more])), 0
    queries = rows(50, seed=3)[1]
    for query in queries:
        found = {key for key, _ in index.search(query, 10)}
        right += len(found & set(nearest(*every, query, 10)))
    assert right >= 0.95 * 10 * len(queries)


def test_adding_leaves_the_old_index_unchanged() -> None:
    keys, vectors = rows(10)
    old = VectorIndex.empty(32).with_rows(keys[:5], vectors[:5])
    new = old.with_rows(keys[5:], vectors[5:])
    assert (len(old), len(new)) == (5, 10)
    assert new.only(frozenset(keys[3:7])).keys == set(keys[3:7])


def test_a_search_for_more_results_than_clips_returns_every_clip() -> None:
    keys, vectors = rows(3)
    index = VectorIndex.empty(32)
    assert index.search(vectors[0], 10) == []
    assert len(index.with_rows(keys, vectors).search(vectors[0], 10)) == 3


@pytest.mark.parametrize("count", [0, 50, EXACT_LIMIT + 50])
def test_a_saved_index_is_loaded_unchanged(tmp_path: Path, count: int) -> None:
    index = VectorIndex.empty(32).with_rows(*rows(count))
    save_index(index, tmp_path, "text", EMBEDDER)
    loaded = load_index(tmp_path, "text", EMBEDDER)
    assert loaded is not None
    assert loaded.keys == index.keys
    query = rows(1, seed=9)[1][0]
    assert loaded.search(query, 5) == index.search(query, 5)
    other = LexicalEmbedder(64)
    assert load_index(tmp_path, "text", other) is None


def damages() -> list[tuple[str, Callable[[Path], object]]]:
    return [
        ("emptied", lambda path: path.write_bytes(b"")),
        ("cut short", lambda path: path.write_bytes(path.read_bytes()[:-7])),
        ("one bit", lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x55")),
        ("other text", lambda path: path.write_text('{"format": 1}')),
        ("gone", lambda path: path.unlink()),
    ]


@pytest.mark.parametrize(("kind", "damage"), damages())
def test_a_damaged_index_is_built_again(
    library: VoiceLibrary,
    clip: Clip,
    write: Write,
    kind: str,
    damage: Callable[[Path], object],
) -> None:
    library.add([write("a.wav", clip("awb").samples[:30_000])], ClipInfo("mine", "a sailor"))
    expected = library.search("sailor")
    library.search_like(clip("slt"))
    files = [path for path in (library.folder / "index").iterdir() if path.name != "lock"]
    assert len(files) > 8
    for file in files:
        kept = file.read_bytes()
        damage(file)
        again = VoiceLibrary(library.folder, bundled=library._folders[1])
        assert again.search("sailor") == expected, file
        assert again.search_like(clip("slt"))[0].voice.id == "slt", file
        file.write_bytes(kept)


def test_an_outdated_index_is_updated(
    library: VoiceLibrary, clip: Clip, write: Write, tmp_path: Path
) -> None:
    library.add([write("a.wav", clip("awb").samples[:30_000])], ClipInfo("one", "a sailor"))
    library.search("sailor")
    shutil.copytree(library.folder / "index", tmp_path / "old")
    library.add([write("b.wav", clip("slt").samples[:30_000])], ClipInfo("two", "a pirate"))
    library.remove("one")
    assert library.search("pirate")[0].voice.id == "two"
    shutil.rmtree(library.folder / "index")
    shutil.copytree(tmp_path / "old", library.folder / "index")
    again = VoiceLibrary(library.folder, bundled=library._folders[1])
    assert again.search("pirate")[0].voice.id == "two"
    assert "one" not in {match.voice.id for match in again.search("sailor", limit=50)}


def test_the_manifest_can_be_edited_while_the_library_is_in_use(
    library: VoiceLibrary, clip: Clip, write: Write
) -> None:
    library.add([write("a.wav", clip("awb").samples[:30_000])], ClipInfo("one", "a sailor"))
    manifest = library.folder / "voices.toml"
    good = manifest.read_text("utf-8")
    manifest.write_text(good.replace("a sailor", "an astronaut"), "utf-8")
    assert library.search("astronaut")[0].voice.description == "an astronaut"
    manifest.write_text("this is not TOML", "utf-8")
    assert library.search("astronaut")[0].voice.id == "one", "what was good is kept"
    manifest.write_text(good, "utf-8")
    assert library.get("one").description == "a sailor"


def test_a_second_start_reads_no_clip_again(
    library: VoiceLibrary, clip: Clip, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add([write("a.wav", clip("awb").samples[:30_000])], ClipInfo("one"))
    library.search("anything male")

    def read(*_: object) -> str:
        raise AssertionError("a clip was read")

    monkeypatch.setattr("assistant.library.checks.sha256_of", read)
    again = VoiceLibrary(library.folder, bundled=library._folders[1])
    assert len(again) == len(library)


def test_a_clip_that_no_longer_matches_its_checksum_is_an_error_at_the_next_start(
    library: VoiceLibrary, clip: Clip, write: Write
) -> None:
    library.add([write("a.wav", clip("awb").samples[:30_000])], ClipInfo("one"))
    path = library.get("one").path
    assert path
    stat = path.stat()
    path.write_bytes(path.read_bytes()[:-2] + b"zz")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(LibraryError, match=r"one\.wav has changed"):
        VoiceLibrary(library.folder)


def test_a_write_that_fails_midway_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "voices.toml"
    write_atomic(path, b"old")

    def die(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", die)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["voices.toml"]


def test_searches_work_while_clips_are_added_and_removed(
    library: VoiceLibrary, clip: Clip, write: Write
) -> None:
    stop, failures, searches = threading.Event(), [], []
    audio = clip("awb")

    def search() -> None:
        while not stop.is_set():
            matches = library.search("scottish man", limit=50)
            if not matches or matches[0].score < 0.5:
                failures.append(matches)
            searches.append(len(matches))
            library.get("awb")

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(6):
        samples = audio.samples[number * 500 : 30_000 + number * 500]
        library.add([write(f"n{number}.wav", samples)], ClipInfo(f"n{number}", "a scottish man"))
        assert library.get(f"n{number}").path
    library.remove("n3")
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert not failures
    assert searches
    found = {match.voice.id for match in library.search("scottish man", limit=50)}
    assert found >= {"n0", "n1", "n2", "n4", "n5"}
    assert "n3" not in found
    assert json.loads((library.folder / "index" / "checked.json").read_text())["format"] == 1
