"""Speaker embeddings by the checkpoint's speaker encoder, CAM++.

H. Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking", Interspeech 2023. The flow speaks from the same embedding that voices are searched by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from assistant.audio.samples import Audio, Float32
from assistant.engines.token2wav.features import SPEECH_RATE, speaker_fbank
from assistant.engines.token2wav.onnx_model import OnnxModel
from assistant.errors import EngineError

SPEAKER_ENCODER = "campplus.onnx"
DIM = 192
SHORTEST_S = 0.5
"""The shortest audio with a speaker embedding, in seconds."""
SILENT_PEAK = 1e-3
"""Of full scale: nobody speaks below -60 dB."""
_LONGEST_S = 10.0  # as long as the voice prompts: voices are compared as they will be spoken


class SpeakerEncoder:
    """CAM++ from the checkpoint's token2wav folder. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Raises EngineError if the model is missing, damaged or another one."""
        self._model = OnnxModel(folder / SPEAKER_ENCODER, inputs=1)

    @property
    def path(self) -> Path:
        """The file of the model."""
        return self._model.path

    def encode(self, speech: Float32) -> Float32:
        """Returns the embedding of 16 kHz samples, at least SHORTEST_S of them: shape (192,).

        Raises EngineError if the model returns something else.
        """
        vector = self._model.run(speaker_fbank(speech)[None]).astype(np.float32).reshape(-1)
        if vector.shape != (DIM,):
            found = f"{vector.size} values, not {DIM}"
            raise EngineError(f"{self.path}: another model: it gives {found}")
        return vector


class SpeakerEmbedder:
    """Embeds audio by its voice: vectors of length 1, with higher products for more
    similar voices.
    """

    version = 1
    dim = DIM

    def __init__(self, folder: Path) -> None:
        """`folder`: the checkpoint's token2wav. Raises EngineError: no such model, or damaged."""
        self._encoder = SpeakerEncoder(folder)
        # Vectors of one encoder mean nothing to another.
        self.name = f"campplus-{_digest(self._encoder.path)}"
        self._try()

    def embed(self, items: Sequence[Audio]) -> Float32:
        """Returns zeros for audio that is silent or shorter than 0.5 s. Raises EngineError."""
        vectors = np.zeros((len(items), self.dim), dtype=np.float32)
        for row, audio in zip(vectors, items, strict=True):
            row[:] = self._vector(audio)
        return vectors

    def _vector(self, audio: Audio) -> Float32:
        samples = audio.samples[: int(_LONGEST_S * audio.sample_rate)]
        speech = Audio(samples, audio.sample_rate).resampled(SPEECH_RATE).samples
        if len(speech) < SHORTEST_S * SPEECH_RATE or np.abs(speech).max() < SILENT_PEAK:
            return np.zeros(self.dim, dtype=np.float32)
        vector = self._encoder.encode(speech)
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)

    def _try(self) -> None:
        """A model that fails should do so before anything relies on it."""
        noise = np.random.default_rng(0)
        for seconds in (SHORTEST_S, 1.3):
            samples = noise.normal(0.0, 0.1, int(seconds * SPEECH_RATE)).astype(np.float32)
            self._vector(Audio(samples, SPEECH_RATE))


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise EngineError(f"{path}: can't be read: {error.strerror or error}") from error
