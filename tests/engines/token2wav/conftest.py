"""A token2wav in miniature, for every test of this folder; they are skipped without torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.audio.samples import Audio

collect_ignore_glob: list[str] = []
try:
    import kaldi_native_fbank  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import torch
    import transformers  # noqa: F401
except ImportError:
    collect_ignore_glob = ["test_*.py"]


def make_clip(seconds: float = 2.0, rate: int = 24_000, pitch: float = 150.0) -> Audio:
    """A gliding tone with harmonics, loud and soft in turn: enough of a voice for the models."""
    time = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.3 * np.sin(3 * time))) / rate
    wave = sum(np.sin(phase * k) / k for k in range(1, 6)) * (0.2 + 0.1 * np.sin(9 * time))
    return Audio(np.asarray(wave, dtype=np.float32), rate)


@pytest.fixture(scope="session")
def voice_clip() -> Callable[..., Audio]:
    return make_clip


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from assistant.testing.checkpoint_token2wav import tiny_token2wav

    return tiny_token2wav(tmp_path_factory.mktemp("checkpoint") / "token2wav")


@pytest.fixture(scope="session")
def token2wav(folder: Path) -> Any:
    from assistant.engines.token2wav import Token2Wav, Token2WavSettings

    torch.set_num_threads(1)  # the models are too small to gain from more threads
    return Token2Wav.load(folder, Token2WavSettings(device="cpu", precision="float32"))


@pytest.fixture(scope="session")
def encoder(folder: Path) -> Any:
    from assistant.engines.token2wav import VoicePromptEncoder

    return VoicePromptEncoder(folder)


@pytest.fixture(scope="session")
def prompt(encoder: Any) -> Any:
    return encoder.encode(make_clip())


@pytest.fixture(scope="session")
def voice(token2wav: Any, prompt: Any) -> Any:
    return token2wav.prepare(prompt)


@pytest.fixture(scope="session")
def other_voice(token2wav: Any, encoder: Any) -> Any:
    return token2wav.prepare(encoder.encode(make_clip(1.3, pitch=260.0)))
