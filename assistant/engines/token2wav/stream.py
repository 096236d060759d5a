"""A stream of audio from speech tokens, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable

from assistant.audio.samples import Pcm16
from assistant.engines.token2wav.flow.model import FlowPrompt, FlowState
from assistant.engines.token2wav.token2wav import ChunkJob, Token2Wav
from assistant.engines.token2wav.vocoder import VocoderState
from assistant.errors import EngineError


class Token2WavStream:
    """Takes tokens as the language model generates them, and returns audio as soon as there is
    enough.

    Not for several threads at once; different streams may run in different threads, and share
    passes then. Audio is 24 kHz mono int16; the pieces join without gaps.
    """

    def __init__(self, token2wav: Token2Wav, voice: FlowPrompt) -> None:
        self._token2wav = token2wav
        self._voice = voice
        self._closed = False
        self._pending: list[int] = []
        self._flow: FlowState | None = None  # made when the first chunk is
        self._vocoder: VocoderState | None = None
        self._begin()

    def push(self, tokens: Iterable[int]) -> list[Pcm16]:
        """Takes tokens (those out of range are dropped) and returns the audio that is ready."""
        self._check_open()
        self._pending += self._token2wav.speakable(tokens)
        ready = []
        while (job := self._next_job()) is not None:
            ready.append(self._token2wav.run(job))
        return ready

    def flush(self) -> list[Pcm16]:
        """Ends the audio and returns the rest of it; the next push starts a new utterance."""
        self._check_open()
        ready = []
        if self._pending:
            tokens, self._pending = self._pending, []
            ready.append(self._token2wav.run(self._job(tokens, last=True)))
        self._begin()
        return ready

    def close(self) -> None:
        """Frees what the stream holds, and drops what has not been spoken. May be called twice."""
        self._closed = True
        self._pending = []
        self._flow = self._vocoder = None

    def _begin(self) -> None:
        self._sizes = self._token2wav.settings.chunk_sizes()
        self._size = next(self._sizes)
        self._flow = self._vocoder = None

    def _next_job(self) -> ChunkJob | None:
        """Returns the next chunk if it and its look-ahead are complete."""
        ahead = self._token2wav.flow.shape.look_ahead
        if len(self._pending) < self._size + ahead:
            return None
        tokens = self._pending[: self._size + ahead]
        self._pending = self._pending[self._size :]  # the look-ahead is sent again
        self._size = next(self._sizes)
        return self._job(tokens, last=False)

    def _job(self, tokens: list[int], *, last: bool) -> ChunkJob:
        if self._flow is None:
            self._flow = self._token2wav.begin(self._voice)
        if self._vocoder is None:
            self._vocoder = self._token2wav.begin_vocoder()
        return ChunkJob(tokens, self._flow, self._vocoder, last)

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("this token2wav stream is closed")
