"""The default voices of a checkpoint, wherever voices are listed, searched or chosen.

Its clips are enough for that: neither its weights nor torch are touched.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from assistant import Assistant, Settings
from assistant.assistant import open_library
from assistant.cli import app
from assistant.config import LibrarySettings, StepAudio2Settings, bundled
from assistant.errors import AssistantError, LibraryError
from assistant.library import ClipInfo, VoiceLibrary
from assistant.server import create_app
from assistant.testing import ScriptedEngine
from tests.support.serving import Running, running, wav
from tests.support.tool_calls import call

DEFAULTS = ["default_female", "default_male"]


def add_clips(checkpoint: Path) -> Path:
    assets = checkpoint / "assets"
    assets.mkdir(parents=True)
    for name, clip in (("default_female", "slt"), ("default_male", "rms")):
        shutil.copy(bundled("voices") / f"{clip}.wav", assets / f"{name}.wav")
    return checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return add_clips(tmp_path / "Step-Audio-2-mini")


@pytest.fixture
def with_checkpoint(tmp_path: Path, checkpoint: Path) -> Settings:
    return settings_for(tmp_path, str(checkpoint))


def settings_for(tmp_path: Path, model: str) -> Settings:
    return Settings(
        engine="step-audio-2",
        step_audio_2=StepAudio2Settings(model=model),
        library=LibrarySettings(folder=tmp_path / "voices", bundled=False),
    )


def ids(settings: Settings) -> list[str]:
    return sorted(voice.id for voice in open_library(settings))


@pytest.fixture
def in_environment(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    monkeypatch.setenv("ASSISTANT_ENGINE", "step-audio-2")
    monkeypatch.setenv("ASSISTANT_STEP_AUDIO_2__MODEL", str(checkpoint))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def values(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("in_environment")
def test_the_command_line_lists_checkpoint_voices_with_their_measures(checkpoint: Path) -> None:
    rows = {row["id"]: row for row in values("voices", "list")}
    assert rows.keys() >= {*DEFAULTS, "awb"}
    male = rows["default_male"]
    assert male["description"] == "the model's own male voice"
    assert "male voice" in male["measured"]
    assert male["path"] == str(checkpoint / "assets" / "default_male.wav")


@pytest.mark.usefixtures("in_environment")
def test_the_command_line_finds_checkpoint_voices_by_words() -> None:
    assert values("voices", "search", "the model's own male voice")[0]["id"] == ("default_male")


@pytest.mark.usefixtures("in_environment")
def test_checkpoint_voices_are_there_with_any_user_folder(tmp_path: Path) -> None:
    rows = values("voices", "list", "--library", str(tmp_path / "other"))
    assert {row["id"] for row in rows} >= {*DEFAULTS, "awb"}


@pytest.mark.usefixtures("in_environment")
def test_the_command_line_does_not_remove_checkpoint_voices(checkpoint: Path) -> None:
    error = run("voices", "remove", "default_male").exception
    assert isinstance(error, AssistantError)
    assert "not one of your clips" in str(error)
    assert (checkpoint / "assets" / "default_male.wav").is_file()


@pytest.mark.usefixtures("in_environment")
def test_audio_search_finds_checkpoint_voices() -> None:
    outcome = values("tools", "run", "audio_search", "description=the default male one")
    assert outcome["voice"] == "default_male"


@pytest.mark.usefixtures("in_environment")
def test_the_doctor_counts_checkpoint_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        findings = {finding["part"]: finding for finding in values("doctor")}
        return int(findings["voices"]["detail"].split()[0])

    before = count()
    monkeypatch.delenv("ASSISTANT_ENGINE")
    assert count() == before - 2


@pytest.mark.usefixtures("in_environment")
def test_another_engine_has_no_checkpoint_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_ENGINE", "embedded")
    assert not {row["id"] for row in values("voices", "list")} & set(DEFAULTS)


@pytest.fixture
def server(with_checkpoint: Settings) -> Iterator[Running]:
    made = Assistant(with_checkpoint, engine=ScriptedEngine())
    with running(create_app(assistant=made)) as server:
        yield server


def test_a_server_lists_and_searches_checkpoint_voices(server: Running) -> None:
    voices = server.client.get("/v1/voices").json()["data"]
    assert [voice["id"] for voice in voices] == DEFAULTS
    found = server.client.get("/v1/voices", params={"query": "a man"}).json()["data"]
    assert found[0]["id"] == "default_male"
    assert found[0]["pitch_hz"] < 150


def test_a_server_finds_a_similar_voice(server: Running) -> None:
    clip = (bundled("voices") / "rms.wav").read_bytes()
    answer = server.client.post("/v1/voices/search?limit=1", files={"audio": clip})
    assert [voice["id"] for voice in answer.json()["data"]] == ["default_male"]


def test_a_server_opens_a_session_in_a_checkpoint_voice(server: Running) -> None:
    answer = server.client.post("/v1/sessions", json={"voice": "default_male"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["voice"] == "default_male"
    assert server.client.post("/v1/sessions", json={"voice": "default"}).status_code == 201
    assert server.client.post("/v1/sessions", json={"voice": "default_x"}).status_code == 400


def test_a_server_neither_deletes_nor_replaces_checkpoint_voices(
    server: Running, checkpoint: Path
) -> None:
    path = checkpoint / "assets" / "default_male.wav"
    content = path.read_bytes()
    assert server.client.delete("/v1/voices/default_male").status_code == 400
    form = {"id": "default_male", "consent": "The speaker signed the form of 3 March."}
    clip = (bundled("voices") / "awb.wav").read_bytes()
    answer = server.client.post("/v1/voices", data=form, files={"audio": clip})
    assert answer.status_code == 400
    assert "taken" in answer.json()["error"]["message"]
    assert path.read_bytes() == content
    assert len(server.client.get("/v1/voices").json()["data"]) == 2


def test_audio_without_a_voice_is_no_failure(server: Running) -> None:
    answer = server.client.post("/v1/voices/search", files={"audio": wav(0.01)})
    assert answer.status_code == 200, answer.text


@pytest.mark.anyio
async def test_a_session_speaks_in_one_checkpoint_voice_and_a_tool_changes_to_the_other(
    with_checkpoint: Settings, checkpoint: Path
) -> None:
    engine = ScriptedEngine([call("audio_search", description="a man")], ["Like this?"])
    async with Assistant(with_checkpoint, engine=engine) as assistant:
        session = assistant.session(voice="default_female")
        events = [event async for event in session.ask("Speak like a man.")]
        with pytest.raises(LibraryError, match="did you mean 'default_male'"):
            assistant.session(voice="default_mael")
    assert [event.voice for event in events if event.type == "voice_changed"] == ["default_male"]
    voices = [request.voice for request in engine.requests]
    assert [voice.id for voice in voices] == DEFAULTS
    assert [voice.path for voice in voices] == [
        checkpoint / "assets" / f"{name}.wav" for name in DEFAULTS
    ]


@pytest.mark.anyio
async def test_an_empty_library_that_is_passed_in_is_not_replaced(
    settings: Settings, tmp_path: Path
) -> None:
    empty = VoiceLibrary(tmp_path / "none")
    async with Assistant(settings, engine=ScriptedEngine(), library=empty) as assistant:
        assert assistant.library is empty


def test_a_users_clip_with_the_same_id_wins(
    with_checkpoint: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    own = VoiceLibrary(with_checkpoint.library)
    own.add([bundled("voices") / "awb.wav"], ClipInfo("default_male", "a sailor"))
    library = open_library(with_checkpoint)
    assert library.get("default_male").description == "a sailor"
    assert ids(with_checkpoint) == DEFAULTS
    assert "another clip has the id 'default_male'" in caplog.text


@pytest.mark.parametrize(
    "model", ["nowhere/at/all", "no-such-maker/no-such-model", "", "~nobody-here/x", "a\0b"]
)
def test_without_the_checkpoint_the_library_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert ids(settings_for(tmp_path, model)) == []


def test_a_checkpoint_that_comes_later_adds_its_voices_then(tmp_path: Path) -> None:
    library = open_library(settings_for(tmp_path, str(tmp_path / "later")))
    assert len(library) == 0
    add_clips(tmp_path / "later")
    assert sorted(voice.id for voice in library) == DEFAULTS


def test_a_checkpoint_of_the_hub_is_found_at_its_download_location(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    settings = settings_for(tmp_path, "stepfun-ai/Step-Audio-2-mini")
    assert ids(settings) == []
    # As a download leaves it: a commit's files are links to blobs that lie elsewhere.
    repository = tmp_path / "hub" / "models--stepfun-ai--Step-Audio-2-mini"
    snapshot = repository / "snapshots" / ("0" * 40)
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (snapshot / "assets").mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    for name in DEFAULTS:
        blob = repository / name
        shutil.copy(checkpoint / "assets" / f"{name}.wav", blob)
        (snapshot / "assets" / f"{name}.wav").symlink_to(blob)
    library = open_library(settings)
    assert sorted(voice.id for voice in library) == DEFAULTS
    assert library.get("default_male").path == snapshot / "assets" / "default_male.wav"


@pytest.mark.parametrize("engine", ["embedded", "step-audio-2"])
def test_opening_and_searching_by_words_loads_nothing_heavy(
    with_checkpoint: Settings, engine: str
) -> None:
    code = (
        "import sys\n"
        "from assistant.config import Settings\n"
        "from assistant.assistant import open_library\n"
        "library = open_library(Settings.model_validate_json(sys.argv[1]))\n"
        "library.search('a man')\n"
        "print([name for name in ('torch', 'onnxruntime', 'transformers') if name in sys.modules])"
    )
    settings = with_checkpoint.model_copy(update={"engine": engine}).model_dump_json()
    run = [sys.executable, "-c", code, settings]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"
