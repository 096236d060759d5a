"""Vectors of voices by the checkpoint's speaker encoder, CAM++, for a search by a clip.

H. Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking", Interspeech 2023. It is the same vector that the flow speaks from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from assistant.audio.samples import Audio, Float32
from assistant.engines.token2wav.features import SPEECH_RATE, speaker_fbank
from assistant.engines.token2wav.onnx_model import OnnxModel
from assistant.engines.token2wav.prompt import SPEAKER_ENCODER
from assistant.errors import EngineError

_SHORTEST_S = 0.5
_LONGEST_S = 10.0  # as long as voice prompts: a voice is compared by what it will speak from
_SILENCE = 1e-3  # of full scale: no speech is below -60 dB


class SpeakerEmbedder:
    """Embeds audio by its voice: vectors of length 1, with higher products for more
    similar voices.
    """

    version = 1
    dim = 192

    def __init__(self, folder: Path) -> None:
        """`folder`: the checkpoint's token2wav. Raises EngineError: no such model, or damaged."""
        path = folder / SPEAKER_ENCODER
        self._model = OnnxModel(path, inputs=1)
        # Vectors of different encoders can't be compared.
        self.name = f"campplus-{_digest(path)}"
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
        if len(speech) < _SHORTEST_S * SPEECH_RATE or np.abs(speech).max() < _SILENCE:
            return np.zeros(self.dim, dtype=np.float32)
        vector = self._model.run(speaker_fbank(speech)[None]).astype(np.float32).reshape(-1)
        if vector.shape != (self.dim,):
            found = f"{vector.size} values, not {self.dim}"
            raise EngineError(f"{self._model.path}: another model: it gives {found}")
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)

    def _try(self) -> None:
        """A model that fails should do so before anything relies on it."""
        noise = np.random.default_rng(0)
        for seconds in (_SHORTEST_S, 1.3):
            samples = noise.normal(0.0, 0.1, int(seconds * SPEECH_RATE)).astype(np.float32)
            self._vector(Audio(samples, SPEECH_RATE))


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise EngineError(f"{path}: can't be read: {error.strerror or error}") from error
