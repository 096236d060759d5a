"""The engine: turns requests into prompts, and generated ids into outputs."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import anyio
import anyio.to_thread

from assistant.config import Sampling, StepAudio2Settings
from assistant.engines.base import EngineOutput, EngineRequest, Finish
from assistant.engines.step_audio_2 import tasks, truncation
from assistant.engines.step_audio_2.checkpoint import Checkpoint
from assistant.engines.step_audio_2.output_stream import SpeechStream, Vocoder, outputs, text_of
from assistant.engines.step_audio_2.parser import THINK_CLOSE, OutputParser
from assistant.engines.step_audio_2.prompt import Prompt, Text
from assistant.engines.step_audio_2.prompt_builder import (
    CALL_START,
    THINK_OPENING,
    Prompter,
    closed_thought,
)
from assistant.engines.step_audio_2.sampling import Sampler
from assistant.engines.step_audio_2.scheduler import Scheduler
from assistant.engines.step_audio_2.sequence import (
    CachedPrefix,
    Generation,
    SampleBatch,
    sample_batch,
)
from assistant.engines.step_audio_2.state import State
from assistant.engines.step_audio_2.template import TTS_START
from assistant.engines.step_audio_2.transcripts import Transcripts
from assistant.engines.worker_threads import WorkerThreads
from assistant.errors import EngineError
from assistant.messages import AssistantMessage

logger = logging.getLogger(__name__)

Variant = Literal["chat", "think", "base"]
_READERS = (
    256  # threads that wait for tokens: the limit of concurrent conversations, not model threads
)


class StepAudio2Engine:
    """Read-only and shared. One thread runs the model, see Scheduler."""

    name = "step-audio-2"

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: StepAudio2Settings,
        *,
        variant: Variant = "chat",
        vocoder: Vocoder | None = None,
        sample: SampleBatch = sample_batch,
    ) -> None:
        """Every response is text if there is no `vocoder`. `sample` samples the next tokens of
        a batch.
        """
        self._tokenizer, self._variant, self._vocoder = checkpoint.tokenizer, variant, vocoder
        self._scheduler = Scheduler(
            checkpoint.model,
            conversations=settings.conversations,
            max_batch=settings.max_batch,
            sample=sample,
        )
        self._prompter = Prompter(
            checkpoint.tokenizer,
            checkpoint.model.sizes.audio,
            settings,
            window=checkpoint.model.window,
            is_base=variant == "base",
        )
        self._transcripts = Transcripts(checkpoint.tokenizer, self._prompter, self._scheduler)
        self._threads = WorkerThreads(_READERS)
        if vocoder is None:
            logger.warning("step-audio-2 answers in text only: no token2wav was loaded")

    def new_state(self) -> State:
        return State()

    def stream(self, request: EngineRequest, state: State) -> AsyncGenerator[EngineOutput, None]:
        return self._threads.stream(lambda stop: self._answer(self._step(request, state, stop)))

    def warm_up(self) -> None:
        """Nothing: the weights are loaded."""

    def truncate(self, message: AssistantMessage, seconds: float) -> AssistantMessage | None:
        return truncation.truncate(message, seconds, self._tokenizer)

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._scheduler.close)
        if self._vocoder is not None:
            self._vocoder.close()

    def _step(self, request: EngineRequest, state: State, stop: threading.Event) -> _Step:
        speaks = self._vocoder is not None and tasks.speaks(request)
        opening: tuple[Text, ...] = (TTS_START,) if speaks else ()
        if request.must_call and request.tools and request.task == "answer":
            opening = CALL_START
        sampling = tasks.sampling_for(request.task, request.sampling)
        return _Step(request, state, stop, sampling, opening)

    def _answer(self, step: _Step) -> Generator[EngineOutput, None, None]:
        """Blocks; runs in a thread of its own."""
        parser = OutputParser(self._tokenizer, stop=step.sampling.stop)
        if step.opening == CALL_START:
            parser.begin(self._tokenizer.encode(*CALL_START))
        job = self._prepared(step)
        self._scheduler.submit(job)
        try:
            with self._voice(step) as stream:
                called = yield from outputs(job, parser, stream)
            if job.reason == "closed":
                raise EngineError("the engine was closed while it answered")
            if self._variant != "base" and len(job.prefix.prefix_ids) > self._prompter.window // 2:
                self._transcripts.prepare(step.request.messages, step.state)
            yield self._finish(step, job, parser, called=called)
        finally:
            job.halt()

    def _prepared(self, step: _Step) -> Generation:
        conversation = step.state.prefix
        if self._variant == "base" and step.request.task in ("answer", "continue"):
            prompt = self._prompter.task(step.request, step.opening)
            return self._job(step, conversation, prompt)
        if step.request.task != "answer":
            prompt = self._prompter.task(step.request, step.opening)
            return self._job(step, CachedPrefix(), prompt, one_off=True)
        if self._variant == "think":
            prompt = self._thought(step).extended(self._tokenizer.encode(*step.opening))
        else:
            prompt = self._conversation(step, step.opening)
        return self._job(step, conversation, prompt)

    def _thought(self, step: _Step) -> Prompt:
        """Lets the model think, and returns the prompt with that thought, for the response to
        follow.

        The thought is not in the history: the next prompt has the response alone, and the cache is
        cut back to the place where they differ.
        """
        prompt = self._conversation(step, THINK_OPENING)
        job = self._job(step, step.state.prefix, prompt)
        # Half of the window is reserved for the answer.
        job.max_tokens = min(job.max_tokens, max(1, (self._prompter.window - len(prompt)) // 2))
        parser = OutputParser(self._tokenizer, stop=[THINK_CLOSE])
        self._scheduler.submit(job)
        text_of(job, parser)
        return prompt.extended(closed_thought(self._tokenizer, self._generated(job, parser)))

    def _conversation(self, step: _Step, opening: tuple[Text, ...]) -> Prompt:
        return self._prompter.conversation(
            step.request,
            step.state,
            opening,
            room=min(step.sampling.max_tokens, self._prompter.window // 4),
            transcribe=lambda audio: self._transcripts.of(audio, step.state, step.stop),
        )

    def _job(
        self, step: _Step, conversation: CachedPrefix, prompt: Prompt, *, one_off: bool = False
    ) -> Generation:
        return Generation(
            conversation,
            prompt,
            Sampler(step.sampling, banned=self._prompter.banned(step.request)),
            ends=self._tokenizer.special.ends,
            max_tokens=step.sampling.max_tokens,
            stop=step.stop,
            one_off=one_off,
        )

    def _voice(self, step: _Step) -> AbstractContextManager[SpeechStream | None]:
        if self._vocoder is None or TTS_START not in step.opening:
            return nullcontext()
        return closing(self._vocoder.open(step.request.voice))

    def _generated(self, job: Generation, parser: OutputParser) -> list[int]:
        """Returns the generated ids up to an end token or a stop string."""
        ends = self._tokenizer.special.ends
        return [token for token in job.generated[: parser.consumed] if token not in ends]

    def _finish(
        self, step: _Step, job: Generation, parser: OutputParser, *, called: bool
    ) -> Finish:
        made = [*self._tokenizer.encode(*step.opening), *self._generated(job, parser)]
        finish = Finish("stop", tuple(made), prompt_tokens=len(job.prompt))
        if called:
            return replace(finish, reason="tool_calls")
        return replace(finish, reason="length") if job.reason == "length" else finish


@dataclass(frozen=True, slots=True)
class _Step:
    """One request, and what was decided about it."""

    request: EngineRequest
    state: State
    stop: threading.Event
    sampling: Sampling
    opening: tuple[Text, ...]
    """The prefix of the assistant's turn; empty for a response in text."""
