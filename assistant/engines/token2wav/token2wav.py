"""Speech tokens to audio: the weights, shared by all streams, and passes over several at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from assistant.audio.samples import Pcm16
from assistant.engines.nn.cuda_graphs import CudaGraphs, Graphs
from assistant.engines.token2wav.batcher import Batcher
from assistant.engines.token2wav.checkpoint import load_flow, load_hift
from assistant.engines.token2wav.flow.model import Flow, FlowPrompt, FlowState
from assistant.engines.token2wav.hift.generator import Hift
from assistant.engines.token2wav.settings import TOKENS_A_SECOND, Token2WavSettings
from assistant.engines.token2wav.vocoder import VocoderState, vocode
from assistant.engines.token2wav.voice_prompt import VoicePrompt
from assistant.errors import EngineError

_LONGEST_PIECE = 4 * TOKENS_A_SECOND


@dataclass(eq=False)
class ChunkJob:
    """The next chunk of one stream; `last` ends its audio."""

    tokens: Sequence[int]
    flow: FlowState
    vocoder: VocoderState
    last: bool

    @property
    def shape(self) -> tuple[int, int, bool]:
        """Jobs of equal shape run in one pass."""
        return len(self.tokens), self.vocoder.mel.shape[1], self.last


class Token2Wav:
    """Holds weights and nothing of any stream: safe to share between threads."""

    def __init__(self, flow: Flow, hift: Hift, settings: Token2WavSettings) -> None:
        self.flow, self.hift, self.settings = flow, hift, settings
        self.device = flow.noise.device
        self.batcher: Batcher[ChunkJob, Pcm16] = Batcher(self._run)
        if settings.cuda_graphs and self.device.type == "cuda":
            self.record(CudaGraphs(self.device))

    @classmethod
    def load(cls, folder: Path, settings: Token2WavSettings | None = None) -> Token2Wav:
        """Loads a checkpoint's token2wav folder. Raises EngineError, SettingsError."""
        settings = settings or Token2WavSettings()
        device = settings.torch_device()
        with torch.inference_mode():
            flow = load_flow(folder, settings, device)
            return cls(flow, load_hift(folder, device), settings)

    def record(self, graphs: Graphs) -> None:
        """Lets the parts that all chunks have in common be recorded and replayed from now on.

        That is safe, because passes run one at a time.
        """
        self.flow.record(graphs)
        self.hift.record(graphs)

    def prepare(self, prompt: VoicePrompt) -> FlowPrompt:
        """The state after a voice's prompt: seconds of work, once a voice."""
        with torch.inference_mode():
            return self.flow.prepare(
                self._tensor(prompt.tokens)[None],
                self._tensor(prompt.mel)[None],
                self._tensor(prompt.speaker)[None],
            )

    def begin(self, voice: FlowPrompt) -> FlowState:
        """Returns the flow's state of a new stream in that voice."""
        longest = max(self.settings.chunk, *self.settings.first_chunks, 0)
        tokens = self.settings.history_tokens + longest + self.flow.shape.look_ahead
        with torch.inference_mode():
            return self.flow.begin(voice, newest=tokens * self.flow.shape.up_rate)

    def begin_vocoder(self) -> VocoderState:
        """Returns the vocoder's state of a new stream."""
        return VocoderState.start(self.hift, self.flow.shape.mel)

    def speak(self, tokens: Iterable[int], voice: FlowPrompt) -> Pcm16:
        """Returns all audio at once; long audio in pieces of a few seconds."""
        tokens = self.speakable(tokens)
        ahead = self.flow.shape.look_ahead
        longest = (_LONGEST_PIECE + ahead) * self.flow.shape.up_rate
        with torch.inference_mode():
            flow, audio = self.flow.begin(voice, newest=longest), self.begin_vocoder()
        pieces = []
        while len(tokens) > _LONGEST_PIECE + ahead:
            piece = tokens[: _LONGEST_PIECE + ahead]
            pieces.append(self.batcher.run(ChunkJob(piece, flow, audio, last=False)))
            tokens = tokens[_LONGEST_PIECE:]
        if tokens:
            pieces.append(self.batcher.run(ChunkJob(tokens, flow, audio, last=True)))
        return np.concatenate([np.zeros(0, np.int16), *pieces])

    def speakable(self, tokens: Iterable[int]) -> list[int]:
        """Returns the tokens without ids that stand for no audio: padding, and others out
        of range.
        """
        return [int(token) for token in tokens if 0 <= int(token) < self.flow.shape.vocabulary]

    def _run(self, jobs: Sequence[ChunkJob]) -> list[Pcm16]:
        """Runs jobs of one shape. Raises EngineError if there is too little memory for them."""
        try:
            return self._pass(jobs)
        except torch.OutOfMemoryError as error:
            raise EngineError(
                f"token2wav: no memory left on {self.device} for {len(jobs)} streams",
                hint="lower voice_bytes, history_s or max_prompt_s, or speak in fewer at once",
            ) from error

    def _pass(self, jobs: Sequence[ChunkJob]) -> list[Pcm16]:
        last = jobs[0].last
        tokens = torch.tensor([list(job.tokens) for job in jobs], device=self.device)
        newest = self.settings.history_tokens * self.flow.shape.up_rate
        with torch.inference_mode():
            states = [job.flow for job in jobs]
            mel = self.flow.chunk(torch.split(tokens, 1), states, last=last, newest=newest)
            return vocode(self.hift, mel, [job.vocoder for job in jobs], last=last)

    def _tensor(self, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)


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
            ready.append(self._token2wav.batcher.run(job))
        return ready

    def flush(self) -> list[Pcm16]:
        """Ends the audio and returns the rest of it; the next push begins another utterance."""
        self._check_open()
        ready = []
        if self._pending:
            tokens, self._pending = self._pending, []
            ready.append(self._token2wav.batcher.run(self._job(tokens, last=True)))
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
