"""Several writers at once, threads and processes, and one that is killed."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.config import bundled
from assistant.library import ClipInfo, VoiceLibrary

Clip = Callable[[str], Audio]
Write = Callable[[str, npt.NDArray[np.floating]], Path]

SPEECH = read_audio(bundled("voices") / "awb.wav", max_seconds=60.0).samples

_starts = itertools.count(0, 61)


def different() -> npt.NDArray[np.float32]:
    """Returns speech that is in no library yet."""
    start = next(_starts) % 30_000
    return SPEECH[start : start + 20_000]


ADD = """
import sys
from pathlib import Path
from assistant.library import ClipInfo, VoiceLibrary
library = VoiceLibrary(Path(sys.argv[1]))
print("ready", flush=True)
for source in sys.argv[2:]:
    library.add([Path(source)], ClipInfo(Path(source).stem))
"""


def pieces(write: Write, name: str, count: int) -> list[Path]:
    return [write(f"{name}{k}.wav", different()) for k in range(count)]


def add_in_a_process(folder: Path, sources: list[Path]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADD, str(folder), *map(str, sources)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_and_a_thread_add_at_once_and_nothing_is_lost(
    empty_library: VoiceLibrary, write: Write
) -> None:
    one, two, three = (pieces(write, name, 4) for name in ("one", "two", "three"))
    processes = [add_in_a_process(empty_library.folder, sources) for sources in (one, two)]
    for source in three:
        empty_library.add([source], ClipInfo(source.stem))
    for process in processes:
        with process:
            assert process.wait(timeout=60) == 0
    ids = {voice.id for voice in VoiceLibrary(empty_library.folder)}
    assert ids == {path.stem for path in (*one, *two, *three)}
    assert {voice.id for voice in empty_library} == ids


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_writer_loses_nothing_and_blocks_no_other(
    empty_library: VoiceLibrary, write: Write
) -> None:
    kept = pieces(write, "kept", 2)
    empty_library.add(kept)
    with add_in_a_process(empty_library.folder, pieces(write, "more", 30)) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        while len(VoiceLibrary(empty_library.folder)) < 4:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    left = VoiceLibrary(empty_library.folder)
    assert {"kept0", "kept1", "more0", "more1"} <= {voice.id for voice in left}
    (added,) = left.add(pieces(write, "last", 1)).added
    assert VoiceLibrary(empty_library.folder).get(added.id)


steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "search"]), st.integers(0, 3)), max_size=6
)


@settings(max_examples=8, deadline=None)
@given(plans=st.lists(steps, min_size=2, max_size=3))
def test_the_library_stays_consistent_under_concurrent_threads(
    plans: list[list[tuple[str, int]]],
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        library = VoiceLibrary(folder / "voices")
        errors: list[BaseException] = []
        expected: set[str] = set()

        def work(worker: int, plan: list[tuple[str, int]]) -> None:
            mine: set[str] = set()
            try:
                for action, number in plan:
                    _do(library, folder, action, f"w{worker}-{number}", mine)
            except BaseException as error:  # noqa: BLE001 - shown by the test
                errors.append(error)
            expected.update(mine)

        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(plans)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive()
        assert not errors
        assert {voice.id for voice in library} == expected
        assert {voice.id for voice in VoiceLibrary(folder / "voices")} == expected
        assert {match.voice.id for match in library.search("a man", limit=50)} == expected


def _do(library: VoiceLibrary, folder: Path, action: str, name: str, mine: set[str]) -> None:
    if action == "search":
        assert mine <= {match.voice.id for match in library.search("a man", limit=50)}
    elif action == "remove" and name in mine:
        library.remove(name)
        mine.discard(name)
    elif action == "add":
        source = folder / f"{name}.wav"
        soundfile.write(source, different(), 16_000)
        refused = library.add([source], ClipInfo(name, "a man")).refused
        assert bool(refused) == (name in mine)
        mine.add(name)
