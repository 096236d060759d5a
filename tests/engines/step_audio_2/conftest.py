"""A tiny checkpoint, and engines on it. What needs torch is imported inside the fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.audio.samples import Audio
from assistant.config import StepAudio2Settings


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from assistant.testing.checkpoint import tiny_checkpoint

    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def tokenizer(folder: Path) -> Any:
    from assistant.engines.step_audio_2.tokens import Tokenizer

    return Tokenizer.from_folder(folder, vocab_size=7040)


@pytest.fixture
async def make_engine(folder: Path) -> AsyncIterator[Callable[..., Any]]:
    """`make_engine(steer=..., vocoder=..., folder=..., **settings)`; closed after the test."""
    from assistant.engines.step_audio_2.loading import load_engine
    from tests.engines.step_audio_2.tiny_engine import sampling

    engines = []

    def make(*, folder: Path = folder, steer: Any = None, vocoder: Any = None, **given: Any) -> Any:
        settings = StepAudio2Settings(model=str(folder), **given)
        engines.append(load_engine(settings, sample=sampling(steer), vocoder=vocoder))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.aclose()


@pytest.fixture
def noise() -> Callable[..., Audio]:
    generator = np.random.default_rng(7)

    def make(seconds: float = 0.5, sample_rate: int = 16_000) -> Audio:
        count = int(seconds * sample_rate)
        return Audio(generator.uniform(-0.3, 0.3, count).astype(np.float32), sample_rate)

    return make
