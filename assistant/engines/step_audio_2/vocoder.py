"""The seam to what makes sound of speech tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from assistant.audio.samples import Pcm16
from assistant.audio.voice import Voice


class SpeechStream(Protocol):
    """One utterance. Used from one thread at a time."""

    def push(self, tokens: Sequence[int]) -> list[Pcm16]:
        """Speech tokens (0 to 6560, 25 a second) in; sound that is ready out: 24 kHz, int16, (n,).

        The pieces of all calls, joined, are the utterance.
        """
        ...

    def flush(self) -> list[Pcm16]:
        """No more tokens will come: the rest of the sound."""
        ...

    def close(self) -> None:
        """Frees what the stream holds; may be called at any time, and again."""
        ...


class Vocoder(Protocol):
    """Shared by all conversations."""

    def open(self, voice: Voice) -> SpeechStream:
        """A new utterance in a voice. Raises AudioError or EngineError: the voice can't be used."""
        ...

    def close(self) -> None: ...
