"""The speech tokens of a clip are computed on a GPU if possible, else by onnxruntime."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from assistant.audio.samples import Audio
from assistant.engines.token2wav import VoicePromptEncoder
from assistant.engines.token2wav.voice_prompt_encoder import SPEECH_TOKENIZER
from assistant.errors import EngineError

CUDA = torch.device("cuda")

# With the names and signatures of the package's S3TokenizerV2 (0.2 and 0.3), which needs torchaudio
# and a GPU. Each token is the number of its frame; all run without a GPU.
PACKAGE = """
import pathlib
import torch

class S3TokenizerV2(torch.nn.Module):
    loaded = []

    def __init__(self, name):
        super().__init__()
        assert "v2" in name
        self.weight = torch.nn.Parameter(torch.ones(1))

    @property
    def device(self):
        return next(self.parameters()).device

    def init_from_onnx(self, onnx_path: str):
        assert pathlib.Path(onnx_path).is_file()
        self.loaded.append(onnx_path)

    def to(self, device):
        self.wanted = str(device)
        return self

    @torch.inference_mode()
    def quantize(self, mel, mel_len):
        assert not self.training and self.wanted == "cuda"
        assert mel.dtype == torch.float32 and mel.shape[:2] == (1, 128)
        assert mel_len.tolist() == [mel.shape[2]]
        count = (mel_len + 3) // 4
        codes = torch.arange(int(count) + 2, dtype=torch.int32)[None]  # the rest is padding
        return codes, count
"""
BROKEN = {
    "that can't be imported": "raise OSError('libcudart.so.13: cannot open shared object file')",
    "without the class": "x = 1",
    "of another interface": PACKAGE.replace(
        "def init_from_onnx(self, onnx_path", "def load(self, path"
    ),
    "that finds other weights": PACKAGE.replace(
        "self.loaded.append(onnx_path)", "raise RuntimeError('Missing key(s)\\nmore')"
    ),
    "that runs out of memory": PACKAGE.replace(
        "count = (mel_len + 3) // 4", "raise torch.OutOfMemoryError('CUDA out of memory')"
    ),
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def write(code: str) -> None:
        (tmp_path / "s3tokenizer.py").write_text(code)

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "s3tokenizer", raising=False)
    yield write
    sys.modules.pop("s3tokenizer", None)


def test_the_package_computes_the_tokens_of_every_clip_on_a_gpu(
    folder: Path, install: Callable[[str], None], voice_clip: Callable[..., Audio]
) -> None:
    install(PACKAGE)
    encoder = VoicePromptEncoder(folder, device=CUDA)
    for seconds in (1.0, 2.0):
        prompt = encoder.encode(voice_clip(seconds))
        assert prompt.tokens.tolist() == list(range(int(25 * seconds)))
        assert prompt.tokens.dtype == np.int64
        assert len(prompt.mel) == 2 * len(prompt.tokens)
    loaded = sys.modules["s3tokenizer"].S3TokenizerV2.loaded
    assert loaded == [str(folder / SPEECH_TOKENIZER)]


@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_the_package_is_not_imported_without_a_gpu(
    folder: Path,
    install: Callable[[str], None],
    encoder: VoicePromptEncoder,
    voice_clip: Callable[..., Audio],
    device: torch.device | None,
) -> None:
    install("raise AssertionError('imported')")
    prompt = VoicePromptEncoder(folder, device=device).encode(voice_clip())
    assert np.array_equal(prompt.tokens, encoder.encode(voice_clip()).tokens)
    assert "s3tokenizer" not in sys.modules


@pytest.mark.parametrize("code", [None, *BROKEN.values()], ids=["that is absent", *BROKEN])
def test_an_unusable_package_is_replaced_by_onnxruntime_and_the_log_says_so_once(
    folder: Path,
    install: Callable[[str], None],
    encoder: VoicePromptEncoder,
    voice_clip: Callable[..., Audio],
    caplog: pytest.LogCaptureFixture,
    code: str | None,
) -> None:
    if code is not None:
        install(code)
    other = VoicePromptEncoder(folder, device=CUDA)
    for _ in range(2):
        assert np.array_equal(
            other.encode(voice_clip()).tokens, encoder.encode(voice_clip()).tokens
        )
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "so onnxruntime makes the speech tokens: " in record.message
    assert "\n" not in record.message


def test_a_damaged_model_is_reported_at_once_on_a_gpu_too(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / SPEECH_TOKENIZER).write_bytes(b"no model")
    with pytest.raises(EngineError, match="not a model that can be read"):
        VoicePromptEncoder(tmp_path, device=CUDA)
