"""The checkpoint's own token2wav behind the engine's seam: a clip of the library is the voice."""

from __future__ import annotations

from pathlib import Path

from assistant.audio.voice import Voice
from assistant.config import StepAudio2Settings
from assistant.engines.checkpoints import default_clips
from assistant.engines.token2wav import (
    Token2Wav,
    Token2WavSettings,
    Token2WavStream,
    VoiceCache,
    VoicePromptEncoder,
)
from assistant.errors import EngineError

NORMAL_VOICE = "default_female"
"""The checkpoint's clip of the normal voice."""


class Token2WavVocoder:
    """Shared by all conversations. `normal` is the clip of the voice without a clip."""

    def __init__(self, token2wav: Token2Wav, voices: VoiceCache, normal: Path) -> None:
        self._token2wav = token2wav
        self._voices = voices
        self._normal = normal

    def open(self, voice: Voice) -> Token2WavStream:
        """Raises AudioError or EngineError: the voice can't be used."""
        return Token2WavStream(self._token2wav, self._voices.get(voice.path or self._normal))

    def close(self) -> None:
        """Nothing is held open."""


def load_vocoder(
    checkpoint: Path, settings: StepAudio2Settings, prompts: Path
) -> Token2WavVocoder | None:
    """Returns the token2wav of a checkpoint; None if it has none. `prompts`: the prepared voices.

    Raises EngineError if a file of it is missing or damaged.
    """
    folder = checkpoint / "token2wav"
    if not folder.is_dir():
        return None
    clips = default_clips(checkpoint)
    if NORMAL_VOICE not in clips:
        missing = folder.parent / "assets" / f"{NORMAL_VOICE}.wav"
        raise EngineError(f"{missing}: no such file", hint="download the checkpoint again")
    options = Token2WavSettings(device=settings.device, euler_steps=settings.euler_steps)
    token2wav = Token2Wav.load(folder, options)
    encoder = VoicePromptEncoder(folder, max_seconds=options.max_prompt_s, device=token2wav.device)
    return Token2WavVocoder(token2wav, VoiceCache(token2wav, encoder, prompts), clips[NORMAL_VOICE])
