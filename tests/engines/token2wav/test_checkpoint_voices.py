"""A tiny checkpoint: its voices are used, and its encoder distinguishes voices."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from assistant import Assistant, AudioChunk, Settings
from assistant.assistant import open_library
from assistant.audio.decode import read_audio
from assistant.audio.samples import Audio
from assistant.cli import app
from assistant.config import LibrarySettings, StepAudio2Settings, bundled
from assistant.library import ClipInfo, VoiceLibrary, Voiceprint
from assistant.testing import tiny_checkpoint


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture
def checkpoint(pristine: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "tiny"))


@pytest.fixture
def with_checkpoint(tmp_path: Path, checkpoint: Path) -> Settings:
    """Settings with a clip of the user's."""
    place = LibrarySettings(folder=tmp_path / "voices", bundled=False)
    VoiceLibrary(place).add([bundled("voices") / "awb.wav"], ClipInfo("mine"))
    model = StepAudio2Settings(model=str(checkpoint))
    return Settings(engine="step-audio-2", step_audio_2=model, library=place)


def clip_of(checkpoint: Path, name: str) -> Audio:
    return read_audio(checkpoint / "assets" / f"{name}.wav", max_seconds=60.0)


def indices(settings: Settings) -> list[str]:
    """Returns the names of the embedders that have an index of clips."""
    found = sorted((settings.library.folder / "index").glob("sound.*.json"))
    return [str(json.loads(path.read_text())["embedder"]).split(" ", 1)[0] for path in found]


def contents(settings: Settings) -> dict[str, bytes]:
    folder = settings.library.folder / "index"
    return {path.name: path.read_bytes() for path in folder.glob("sound.*")}


def test_a_clip_is_compared_by_the_encoder_of_the_checkpoint(
    with_checkpoint: Settings, checkpoint: Path
) -> None:
    library = open_library(with_checkpoint)
    for name in ("default_female", "default_male"):
        match = library.search_like(clip_of(checkpoint, name))[0]
        assert (match.voice.id, match.score) == (name, pytest.approx(1.0, abs=1e-3))
    (embedder,) = indices(with_checkpoint)
    assert embedder.startswith("campplus-")


def test_indexes_of_both_embedders_lie_side_by_side(
    with_checkpoint: Settings, checkpoint: Path
) -> None:
    pcm = clip_of(checkpoint, "default_male")
    open_library(with_checkpoint).search_like(pcm)
    first = contents(with_checkpoint)
    embedded = with_checkpoint.model_copy(update={"engine": "embedded"})
    assert [match.voice.id for match in open_library(embedded).search_like(pcm)] == ["mine"]
    both = contents(with_checkpoint)
    assert first.items() <= both.items()
    assert [name.split("-")[0] for name in indices(with_checkpoint)] == ["campplus", "voiceprint"]
    for settings in (with_checkpoint, embedded):
        open_library(settings).search_like(pcm)
    assert contents(with_checkpoint) == both


def test_an_embedder_that_is_handed_in_compares_the_voices_of_the_checkpoint(
    with_checkpoint: Settings, checkpoint: Path
) -> None:
    library = open_library(with_checkpoint, audio_embedder=Voiceprint)
    found = library.search_like(clip_of(checkpoint, "default_male"))
    assert found[0].voice.id == "default_male"
    assert indices(with_checkpoint) == ["voiceprint"]


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_without_a_speaker_encoder_the_voiceprint_is_used_and_the_log_says_so_once(
    with_checkpoint: Settings,
    checkpoint: Path,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = checkpoint / "token2wav" / "campplus.onnx"
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:1_000] if damage == "cut" else b"<html>no model</html>")
    library = open_library(with_checkpoint)
    assert not caplog.records
    for name in ("default_female", "default_male"):
        assert library.search_like(clip_of(checkpoint, name))[0].voice.id == name
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"voices are compared by the library's own voiceprint: {path}: ")
    assert "\n" not in line
    assert indices(with_checkpoint) == ["voiceprint"]
    path.write_bytes(whole)
    open_library(with_checkpoint).search_like(clip_of(checkpoint, "default_male"))
    assert len(indices(with_checkpoint)) == 2


def test_a_checkpoint_without_speech_has_no_encoder(
    with_checkpoint: Settings, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(checkpoint / "token2wav")
    library = open_library(with_checkpoint)
    assert library.search_like(clip_of(checkpoint, "default_male"))[0].voice.id == "default_male"
    assert indices(with_checkpoint) == ["voiceprint"]
    assert not caplog.records


def search_in_another_process(preparation: str, settings: Settings, clip: Path) -> list[str]:
    """Returns the lines of the log, and the voice that was found."""
    code = (
        "import logging, sys\n"
        f"{preparation}\n"
        "from pathlib import Path\n"
        "from assistant.audio.decode import read_audio\n"
        "from assistant.config import Settings\n"
        "from assistant.assistant import open_library\n"
        "logging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
        "library = open_library(Settings.model_validate_json(sys.argv[1]))\n"
        "sound = read_audio(Path(sys.argv[2]), max_seconds=60)\n"
        "print(library.search_like(sound)[0].voice.id)\n"
    )
    run = [sys.executable, "-c", code, settings.model_dump_json(), str(clip)]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("package", ["torch", "onnxruntime", "kaldi_native_fbank"])
def test_the_voiceprint_is_used_if_a_package_is_absent(
    with_checkpoint: Settings, checkpoint: Path, package: str
) -> None:
    clip = checkpoint / "assets" / "default_male.wav"
    absent = f"sys.modules[{package!r}] = None"
    log, found = search_in_another_process(absent, with_checkpoint, clip)
    assert log.endswith(f"own voiceprint: the package {package} is not installed")
    assert found == "default_male"


def test_the_voiceprint_is_used_if_a_package_is_broken(
    with_checkpoint: Settings, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    text = "raise ImportError('libcudart.so: cannot open shared object file\\nmore')"
    (tmp_path / "broken" / "onnxruntime.py").write_text(text)
    first = f"sys.path.insert(0, {str(tmp_path / 'broken')!r})"
    clip = checkpoint / "assets" / "default_male.wav"
    log, found = search_in_another_process(first, with_checkpoint, clip)
    assert log.endswith("own voiceprint: libcudart.so: cannot open shared object file")
    assert found == "default_male"


@pytest.mark.anyio
async def test_sessions_speak_in_the_default_voices(
    with_checkpoint: Settings, tmp_path: Path
) -> None:
    sampling = with_checkpoint.sampling.model_copy(update={"max_tokens": 40, "seed": 1})
    prompts = tmp_path / "voices" / "prompts"
    prepared = []
    async with Assistant(with_checkpoint.model_copy(update={"sampling": sampling})) as assistant:
        for voice in ("default", "default_female", "default_male"):
            session = assistant.session(voice=voice, deny=assistant.registry.names)
            events = [event async for event in session.ask("Read this.", task="read")]
            assert any(isinstance(event, AudioChunk) for event in events)
            prepared.append(len(list(prompts.iterdir())))
    assert prepared == [1, 1, 2]  # the normal voice is the female one


def test_a_text_is_read_aloud_in_a_default_voice(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_SAMPLING__MAX_TOKENS", "40")
    monkeypatch.setenv("ASSISTANT_SAMPLING__SEED", "1")
    out = tmp_path / "said.wav"
    line = ["say", "Read this.", "--out", out, "--voice", "default_male"]
    line += ["--engine", "step-audio-2", "--model", checkpoint]
    result = CliRunner().invoke(app, [str(word) for word in line])
    assert result.exit_code == 0, result.output
    assert soundfile.info(out).frames > 0
