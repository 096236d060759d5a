"""The whole loop through real model code: audio, call, speech through token2wav in a new voice.

The weights are random and a script picks the tokens, so the words are known and the audio is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("kaldi_native_fbank")

from assistant import Assistant, AudioChunk, Settings, ToolResult, tool
from assistant.config import StepAudio2Settings
from assistant.engines import create_engine
from assistant.engines.step_audio_2.loading import load_engine
from assistant.errors import EngineError
from assistant.testing import tiny_checkpoint
from tests.engines.step_audio_2.tiny_engine import Watcher, call_text, sampling, spoken

pytestmark = pytest.mark.anyio


@tool
def deepen(voice: str) -> ToolResult:
    """Changes the voice."""
    return ToolResult("The voice is deep now.", voice=voice)


def audio_of(events: list[Any]) -> np.ndarray:
    return np.concatenate([e.samples for e in events if isinstance(e, AudioChunk)])


async def test_a_tool_changes_the_voice_of_a_spoken_turn(
    folder: Path, tokenizer: Any, noise: Any, settings: Settings
) -> None:
    lead_in = spoken(tokenizer, "One moment.", list(range(0, 300, 10)))
    script = [*lead_in, *call_text(tokenizer, "deepen", '{"voice": "rms"}')]
    answer = spoken(tokenizer, "Like this?", list(range(0, 500, 10)))
    steer = Watcher(script, answer, end=tokenizer.special.eot)
    prompts = settings.library.folder / "prompts"
    engine = load_engine(
        StepAudio2Settings(model=str(folder)), prompts=prompts, sample=sampling(steer)
    )
    async with Assistant(settings, engine=engine, tools=[deepen]) as assistant:
        session = assistant.session()
        events = [event async for event in session.ask(noise(1.0))]
    assert events[-1].text == "One moment. Like this?"
    assert events[-1].reason == "completed"
    assert [event.voice for event in events if event.type == "voice_changed"] == ["rms"]
    # 25 tokens a second: 30 of the lead-in and 50 of the answer.
    assert events[-1].audio_seconds == pytest.approx(80 / 25, abs=0.05)
    assert np.abs(audio_of(events)).max() > 0
    # Clients with a vocoder of their own get every token, once and in order.
    codes = [code for event in events if isinstance(event, AudioChunk) for code in event.codes]
    assert codes == [*range(0, 300, 10), *range(0, 500, 10)]
    assert events[-1].usage.prompt_tokens > events[-1].usage.completion_tokens > 0
    assert len(list(prompts.glob("*.safetensors"))) == 2  # the normal voice, and the tool's


async def test_the_settings_alone_create_an_engine_that_speaks(
    folder: Path, settings: Settings
) -> None:
    update = {"engine": "step-audio-2", "step_audio_2": StepAudio2Settings(model=str(folder))}
    sampling = settings.sampling.model_copy(update={"max_tokens": 40, "seed": 1})
    settings = settings.model_copy(update={**update, "sampling": sampling})
    async with Assistant(settings) as assistant:
        session = assistant.session(voice="slt", deny=assistant.registry.names)
        events = [event async for event in session.ask("Read this.", task="read")]
    assert events[-1].reason == "completed"


def test_a_checkpoint_without_its_default_voice_names_the_missing_file(
    tmp_path: Path, settings: Settings
) -> None:
    folder = tiny_checkpoint(tmp_path / "tiny")
    (folder / "assets" / "default_female.wav").unlink()
    update = {"engine": "step-audio-2", "step_audio_2": StepAudio2Settings(model=str(folder))}
    with pytest.raises(EngineError, match=r"default_female.wav: no such file"):
        create_engine(settings.model_copy(update=update))
