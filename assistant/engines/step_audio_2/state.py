"""The engine's state of one conversation, next to the KV cache."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.audio.samples import Audio
from assistant.engines.step_audio_2.compaction import Plan
from assistant.engines.step_audio_2.prompt import AudioEmbeddingCache
from assistant.engines.step_audio_2.sequence import CachedPrefix, Generation
from assistant.messages import ToolSchema


class State:
    """Cheap until the conversation begins."""

    def __init__(self) -> None:
        self.prefix = CachedPrefix()
        self.audio_cache = AudioEmbeddingCache()
        self.plan = Plan()
        self.tools: tuple[ToolSchema, ...] = ()
        """Those of the last prompt."""
        self._transcripts: dict[int, tuple[Audio, str]] = {}
        self._pending: dict[int, tuple[Audio, Generation]] = {}

    def copy(self) -> State:
        """Returns the state itself: every call compares it with the history and rebuilds it."""
        return self

    def transcript(self, audio: Audio) -> str | None:
        """Returns the transcript of the audio, if it is known."""
        known = self._transcripts.get(id(audio))
        return known[1] if known else None

    def pending(self, audio: Audio) -> Generation | None:
        """The transcription that is under way in idle time."""
        waiting = self._pending.get(id(audio))
        return waiting[1] if waiting else None

    def expect(self, audio: Audio, generation: Generation) -> None:
        self._pending[id(audio)] = (audio, generation)

    def set_transcript(self, audio: Audio, text: str) -> None:
        self._pending.pop(id(audio), None)
        self._transcripts[id(audio)] = (audio, text)

    def forget_all_but(self, audio: Sequence[Audio]) -> None:
        """Drops everything about audio that is not in the history any more."""
        kept = {id(audio) for audio in audio}
        self.audio_cache.forget_all_but(audio)
        self._transcripts = {key: v for key, v in self._transcripts.items() if key in kept}
        for key in [key for key in self._pending if key not in kept]:
            self._pending.pop(key)[1].stop.set()
