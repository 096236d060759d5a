"""The speech tokens of a clip, 25 per second: by onnxruntime, or on a GPU by s3tokenizer."""

from __future__ import annotations

import importlib
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from assistant.audio.samples import Float32
from assistant.engines.token2wav.onnx_model import OnnxModel

Tokens = npt.NDArray[np.int64]
logger = logging.getLogger(__name__)
_MODEL = "speech_tokenizer_v2_25hz"
"""The name by which s3tokenizer knows its shape; the weights are the checkpoint's own."""


class SpeechTokenizer:
    """Thread-safe. The GPU is tried first, from the first clip on; where anything about it fails,
    that is said once in the log, and onnxruntime does the work from then on.

    Both run the same model in float32. Where rounding decides, single tokens may differ: either
    is a right prompt for the same voice.
    """

    def __init__(self, path: Path, device: torch.device | None = None) -> None:
        """Raises EngineError: no such file, damaged or another model."""
        self._onnx = OnnxModel(path, inputs=2)
        self._device = device
        self._lock = threading.Lock()
        self._on_gpu: Any = None
        self._try_gpu = device is not None and device.type == "cuda"

    def __call__(self, log_mel: Float32) -> Tokens:
        """Maps (128, frames), 100 per second, to (n,). Raises EngineError if the model failed."""
        tokens = self._tokens_on_gpu(log_mel)
        if tokens is not None:
            return tokens
        count = np.array([log_mel.shape[1]], dtype=np.int32)
        return self._onnx.run(log_mel[None], count).reshape(-1).astype(np.int64)

    def _tokens_on_gpu(self, log_mel: Float32) -> Tokens | None:
        with self._lock:
            if not self._try_gpu:
                return None
            try:
                self._on_gpu = self._on_gpu or self._load()
                return _quantized(self._on_gpu, log_mel)
            except Exception as error:  # noqa: BLE001 - not our package, and onnxruntime can replace it
                self._try_gpu, self._on_gpu = False, None
                reason = (str(error) or type(error).__name__).splitlines()[0][:200]
                logger.warning(
                    "token2wav: no s3tokenizer on %s, so onnxruntime makes the speech tokens: %s",
                    self._device,
                    reason,
                )
                return None

    def _load(self) -> Any:
        # Imported only here: it needs torchaudio, which loads only next to a torch of its build.
        model = importlib.import_module("s3tokenizer").S3TokenizerV2(_MODEL)
        model.init_from_onnx(str(self._onnx.path))
        return model.to(self._device).eval()


def _quantized(model: Any, log_mel: Float32) -> Tokens:
    features = torch.from_numpy(log_mel)[None].to(model.device)
    lengths = torch.tensor([log_mel.shape[1]], device=model.device)
    codes, counts = model.quantize(features, lengths)  # (1, n) and (1,)
    tokens: Tokens = codes[0, : int(counts[0])].cpu().numpy().astype(np.int64)
    return tokens
