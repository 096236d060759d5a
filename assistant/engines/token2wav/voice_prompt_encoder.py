"""Encodes a clip to a voice prompt: speech tokens, a speaker embedding and mel frames."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from assistant.audio.samples import Audio, Float32
from assistant.engines.nn.mel import log_mel
from assistant.engines.token2wav.features import FLOW_RATE, SPEECH_RATE, flow_mel
from assistant.engines.token2wav.speaker_embedder import (
    SHORTEST_S,
    SILENT_PEAK,
    SPEAKER_ENCODER,
    SpeakerEncoder,
)
from assistant.engines.token2wav.speech_tokens import SpeechTokenizer, Tokens
from assistant.engines.token2wav.voice_prompt import VoicePrompt
from assistant.errors import AudioError

SPEECH_TOKENIZER = "speech_tokenizer_v2_25hz.onnx"
_FRAMES_A_TOKEN = 2


class VoicePromptEncoder:
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
        self._encoder = SpeakerEncoder(folder)
        self.fingerprint = _fingerprint(folder, max_seconds)
        """Differs if the same clip would lead to another prompt."""

    def encode(self, clip: Audio, name: str = "the clip") -> VoicePrompt:
        """Returns the voice prompt of a clip.

        Raises AudioError if it is too short, silent or not finite; EngineError if a model fails.
        """
        clip = self._checked(clip, name)
        speech = clip.resampled(SPEECH_RATE).samples
        tokens = self._tokens(speech)
        if not len(tokens):
            raise AudioError(f"{name}: no speech was found in it", hint="choose another clip")
        mel = _fitted(flow_mel(clip.resampled(FLOW_RATE).samples).numpy(), len(tokens))
        return VoicePrompt(tokens, mel, self._encoder.encode(speech))

    def _tokens(self, speech: Float32) -> Tokens:
        tokens = self._tokenizer(log_mel(speech).numpy())
        return tokens[(tokens >= 0) & (tokens < self._vocabulary)]

    def _checked(self, clip: Audio, name: str) -> Audio:
        if not np.isfinite(clip.samples).all():
            raise AudioError(f"{name}: samples that are no numbers (NaN or infinite)")
        if clip.seconds < SHORTEST_S:
            raise AudioError(
                f"{name}: {clip.seconds:.1f} seconds are too short for a voice",
                hint="3 to 10 seconds of clear speech are best",
            )
        samples = clip.samples[: int(self._max_seconds * clip.sample_rate)]
        if np.abs(samples).max() < SILENT_PEAK:
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
