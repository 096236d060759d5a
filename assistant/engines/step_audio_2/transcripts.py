"""Transcripts of the user's audio by the model itself, for the time when the window is full."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from assistant.audio.samples import Audio
from assistant.config import Sampling
from assistant.engines.step_audio_2.compaction import audio_in
from assistant.engines.step_audio_2.output_stream import text_of
from assistant.engines.step_audio_2.parser import OutputParser
from assistant.engines.step_audio_2.prompt_builder import Prompter
from assistant.engines.step_audio_2.sampling import Sampler
from assistant.engines.step_audio_2.scheduler import Scheduler
from assistant.engines.step_audio_2.sequence import CachedPrefix, Generation
from assistant.engines.step_audio_2.state import State
from assistant.engines.step_audio_2.tasks import sampling_for
from assistant.engines.step_audio_2.tokens import Tokenizer
from assistant.messages import Message

_MAX_TOKENS = 512
_INAUDIBLE = "…"


class Transcripts:
    def __init__(self, tokenizer: Tokenizer, prompter: Prompter, scheduler: Scheduler) -> None:
        self._tokenizer, self._prompter, self._scheduler = tokenizer, prompter, scheduler

    def of(self, audio: Audio, state: State, stop: threading.Event) -> str:
        """Returns the transcript; transcribes now if that was not done in idle time. Blocks."""
        known = state.transcript(audio)
        if known is not None:
            return known
        job = state.pending(audio)
        if job is None or not job.ended:
            # Idle work may wait for long, and now the transcript is urgent.
            if job is not None:
                job.halt()
            job = self._job(audio, stop=stop)
            self._scheduler.submit(job)
        text = text_of(job, OutputParser(self._tokenizer)) or _INAUDIBLE
        if job.reason in ("stop", "length"):
            state.set_transcript(audio, text)
        return text

    def prepare(self, messages: Sequence[Message], state: State) -> None:
        """Starts to transcribe the audio without a transcript, while nothing else runs."""
        for audio in audio_in(messages):
            if state.transcript(audio) is None and state.pending(audio) is None:
                job = self._job(audio, idle=True)
                state.expect(audio, job)
                self._scheduler.submit(job)

    def _job(
        self, audio: Audio, *, stop: threading.Event | None = None, idle: bool = False
    ) -> Generation:
        sampling = sampling_for("transcribe", Sampling(max_tokens=_MAX_TOKENS))
        return Generation(
            CachedPrefix(),
            self._prompter.transcription(audio),
            Sampler(sampling),
            ends=self._tokenizer.special.ends,
            max_tokens=sampling.max_tokens,
            stop=stop,
            idle=idle,
            one_off=True,
        )
