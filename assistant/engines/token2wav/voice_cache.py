"""A cache of prepared voices: each clip is processed once, then stored on disk and in memory."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from pathlib import Path

from assistant.audio.decode import read_audio
from assistant.engines.token2wav.flow.model import FlowPrompt
from assistant.engines.token2wav.token2wav import Token2Wav
from assistant.engines.token2wav.voice_prompt import VoicePrompt
from assistant.engines.token2wav.voice_prompt_encoder import VoicePromptEncoder
from assistant.errors import AudioError

logger = logging.getLogger(__name__)
_MAX_CLIP_S = 600.0
"""The longest clip, in seconds: clips are cut to max_prompt_s, this only excludes absurd files."""


class VoiceCache:
    """Prepared voices by their clip's content: a clip that is replaced is prepared again.

    Two threads that ask for one voice prepare it once; those that ask for prepared voices don't
    wait. The states of the voices used last stay in memory, up to the settings' `voice_bytes`, and
    always the newest; their small prompts stay in `folder`.
    """

    def __init__(
        self, token2wav: Token2Wav, prompt_encoder: VoicePromptEncoder, folder: Path | None
    ) -> None:
        self._token2wav = token2wav
        self._encoder = prompt_encoder
        self._folder = folder
        self._budget = token2wav.settings.voice_bytes
        self._ready: OrderedDict[str, FlowPrompt] = OrderedDict()
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._lock = threading.Lock()
        self._preparing: dict[str, threading.Lock] = {}

    def get(self, clip: Path) -> FlowPrompt:
        """The voice of a clip. Raises AudioError (no use as a voice) and EngineError."""
        key = self._key(clip)
        with self._lock:
            voice = self._used(key)
            alone = self._preparing.setdefault(key, threading.Lock())
        if voice is not None:
            return voice
        with alone:
            with self._lock:
                voice = self._used(key)
            if voice is None:
                voice = self._token2wav.prepare(self._prompt(key, clip))
                self._keep(key, voice)
        return voice

    def prompt(self, clip: Path) -> VoicePrompt:
        """Returns the prompt of the clip, from disk if it is there."""
        return self._prompt(self._key(clip), clip)

    @property
    def nbytes(self) -> int:
        """The bytes of the states in memory."""
        with self._lock:
            return sum(voice.nbytes for voice in self._ready.values())

    def _used(self, key: str) -> FlowPrompt | None:
        voice = self._ready.get(key)
        if voice is not None:
            self._ready.move_to_end(key)
        return voice

    def _keep(self, key: str, voice: FlowPrompt) -> None:
        with self._lock:
            self._ready[key] = voice
            self._preparing.pop(key, None)
            used = sum(kept.nbytes for kept in self._ready.values())
            while used > self._budget and len(self._ready) > 1:
                _, dropped = self._ready.popitem(last=False)
                used -= dropped.nbytes

    def _prompt(self, key: str, clip: Path) -> VoicePrompt:
        path = self._folder and self._folder / f"{key}.safetensors"
        prompt = VoicePrompt.read(path) if path else None
        if prompt is None:
            prompt = self._encoder.encode(read_audio(clip, max_seconds=_MAX_CLIP_S), str(clip))
            self._save(prompt, path)
        return prompt

    def _save(self, prompt: VoicePrompt, path: Path | None) -> None:
        try:
            if path:
                prompt.save(path)
        except OSError as error:  # the file can be written again later: the voice is usable now
            logger.warning("%s: the prepared voice can't be kept: %s", path, error)

    def _key(self, clip: Path) -> str:
        """Returns a key of the clip's content and of everything that its prompt depends on."""
        try:
            about = clip.stat()
            seen = (str(clip), about.st_mtime_ns, about.st_size)
            if seen not in self._hashes:
                content = hashlib.sha256(self._encoder.fingerprint.encode() + clip.read_bytes())
                self._hashes[seen] = content.hexdigest()
        except OSError as error:
            raise AudioError(f"{clip}: can't be read: {error.strerror or error}") from error
        return self._hashes[seen]
