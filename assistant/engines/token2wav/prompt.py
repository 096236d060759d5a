"""A clip of a voice becomes a prompt: speech tokens, a speaker embedding and mel frames."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from assistant.audio.samples import Audio, Float32
from assistant.engines.nn.mel import log_mel
from assistant.engines.token2wav.features import FLOW_RATE, SPEECH_RATE, flow_mel, speaker_fbank
from assistant.engines.token2wav.onnx_model import OnnxModel
from assistant.engines.token2wav.speech_tokens import SpeechTokenizer, Tokens
from assistant.engines.token2wav.voice_prompt import VoicePrompt
from assistant.errors import AudioError

SPEECH_TOKENIZER = "speech_tokenizer_v2_25hz.onnx"
SPEAKER_ENCODER = "campplus.onnx"
_SHORTEST_S = 0.5
_SILENCE = 1e-3  # of full scale: no speech is below -60 dB
_FRAMES_A_TOKEN = 2


class PromptMaker:
    """Runs the checkpoint's speech tokenizer and speaker encoder. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        *,
        max_seconds: float = 10.0,
        vocabulary: int = 6561,
        device: torch.device | None = None,
    ) -> None:
        """Lets s3tokenizer compute the speech tokens on a CUDA device if it is installed.

        Raises EngineError if a model is missing, damaged or another one.
        """
        self._max_seconds = max_seconds
        self._vocabulary = vocabulary
        self._tokenizer = SpeechTokenizer(folder / SPEECH_TOKENIZER, device)
        self._encoder = OnnxModel(folder / SPEAKER_ENCODER, inputs=1)
        self.fingerprint = _fingerprint(folder, max_seconds)
        """Differs if the same clip would lead to another prompt."""

    def make(self, clip: Audio, name: str = "the clip") -> VoicePrompt:
        """Raises AudioError (too short, silent, no numbers) and EngineError (a model failed)."""
        clip = self._checked(clip, name)
        speech = clip.resampled(SPEECH_RATE).samples
        tokens = self._tokens(speech)
        if not len(tokens):
            raise AudioError(f"{name}: no speech was found in it", hint="choose another clip")
        mel = _fitted(flow_mel(clip.resampled(FLOW_RATE).samples).numpy(), len(tokens))
        return VoicePrompt(tokens, mel, self.speaker(speech))

    def speaker(self, speech: Float32) -> Float32:
        """Returns the CAM++ embedding of 16 kHz samples, at least half of a second of
        them: (192,).
        """
        vector = self._encoder.run(speaker_fbank(speech)[None])
        return vector.astype(np.float32).reshape(-1)

    def _tokens(self, speech: Float32) -> Tokens:
        tokens = self._tokenizer(log_mel(speech).numpy())
        return tokens[(tokens >= 0) & (tokens < self._vocabulary)]

    def _checked(self, clip: Audio, name: str) -> Audio:
        if not np.isfinite(clip.samples).all():
            raise AudioError(f"{name}: samples that are no numbers (NaN or infinite)")
        if clip.seconds < _SHORTEST_S:
            raise AudioError(
                f"{name}: {clip.seconds:.1f} seconds are too short for a voice",
                hint="3 to 10 seconds of clear speech are best",
            )
        samples = clip.samples[: int(self._max_seconds * clip.sample_rate)]
        if np.abs(samples).max() < _SILENCE:
            raise AudioError(f"{name}: silent", hint="3 to 10 seconds of clear speech are best")
        return Audio(np.ascontiguousarray(samples, dtype=np.float32), clip.sample_rate)


def _fitted(mel: Float32, tokens: int) -> Float32:
    """Two frames a token: cut, or the last one repeated."""
    frames = tokens * _FRAMES_A_TOKEN
    return np.pad(mel[:frames], ((0, max(0, frames - len(mel))), (0, 0)), mode="edge")


def _fingerprint(folder: Path, max_seconds: float) -> str:
    digest = hashlib.sha256(f"{max_seconds}".encode())
    for name in (SPEECH_TOKENIZER, SPEAKER_ENCODER):
        with (folder / name).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
