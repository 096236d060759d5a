"""Each example in examples/extensions/ works where its protocol is used."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from assistant import Assistant
from assistant.audio.decode import read_audio
from assistant.config import LibrarySettings, LiveSettings, Settings
from assistant.extending import (
    Embedder,
    Engine,
    SessionStore,
    SpeechDetector,
)
from assistant.library import VoiceLibrary
from assistant.live.conversation import LiveConversation
from assistant.live.events import UserTurn
from assistant.testing import ScriptedEngine, call_tool
from tests.support.serving import Serve

FOLDER = Path(__file__).parents[2] / "examples" / "extensions"
QUESTION = FOLDER.parent / "what_time_is_it_in_tokyo.wav"


@pytest.fixture(autouse=True)
def examples_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    for file in FOLDER.glob("*.py"):
        monkeypatch.delitem(sys.modules, file.stem, raising=False)


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


def test_the_embedder_finds_a_voice_by_its_words(settings: Settings, tmp_path: Path) -> None:
    from trigram_embedder import TrigramEmbedder  # type: ignore[import-not-found]

    embedder: Embedder[str] = TrigramEmbedder()
    library = VoiceLibrary(LibrarySettings(folder=tmp_path / "voices"), text_embedder=embedder)
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


def test_a_server_makes_a_speech_detector_for_each_conversation(serve: Serve) -> None:
    from energy_detector import EnergyDetector

    from tests.server.realtime.realtime_client import calling

    made: list[SpeechDetector] = []

    def make() -> SpeechDetector:
        made.append(EnergyDetector())
        return made[-1]

    server = serve(app={"speech_detector": make})
    for _ in range(2):
        with calling(server):
            pass
    assert len(made) == 2


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
