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

    def run(self, job: ChunkJob) -> Pcm16:
        """Runs one chunk, in one pass with those that other threads ask for meanwhile."""
        return self.batcher.run(job)

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
            pieces.append(self.run(ChunkJob(piece, flow, audio, last=False)))
            tokens = tokens[_LONGEST_PIECE:]
        if tokens:
            pieces.append(self.run(ChunkJob(tokens, flow, audio, last=True)))
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
