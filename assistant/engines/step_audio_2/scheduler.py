"""Continuous batching: one thread owns the model and advances all generations together.

Each round prefills one chunk of one waiting prompt, then decodes one token of every running
sequence, up to `max_batch`, in one pass over the weights. So a long prompt doesn't stop the others,
and no generation waits for another to end.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from assistant.engines.step_audio_2.decoder import Decoder
from assistant.engines.step_audio_2.kv_cache import KeyValueCache
from assistant.engines.step_audio_2.model import StepAudio2Model
from assistant.engines.step_audio_2.prefix_cache import PrefixCache
from assistant.engines.step_audio_2.sequence import EndReason, Generation, SampleBatch, sample_batch
from assistant.errors import EngineError

logger = logging.getLogger(__name__)

CHUNKS = {"cuda": (256, 2048), "cpu": (64, 256)}
"""Positions that are prefilled in one round, while others decode and while none does.

A round can't be interrupted: larger chunks would delay the end of a stopped generation.
"""


class Scheduler:
    """Start it by submitting; `close` ends what runs."""

    def __init__(
        self,
        model: StepAudio2Model,
        *,
        conversations: int,
        max_batch: int,
        sample: SampleBatch = sample_batch,
    ) -> None:
        self._model, self._sample_batch = model, sample
        self.window = model.window
        self._max_batch = min(max_batch, conversations)
        # One more slot for idle work, which must not evict a conversation.
        self._cache = KeyValueCache(
            model.sizes.text,
            slots=conversations + 1,
            window=model.window,
            device=model.device,
            dtype=model.dtype,
        )
        self._prefix_cache = PrefixCache(conversations + 1)
        self._decoder = Decoder(model.language, self._cache)
        self._waiting: deque[Generation] = deque()
        self._idle: deque[Generation] = deque()
        self._active: list[Generation] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, generation: Generation) -> None:
        """Adds a generation, from any thread. Raises EngineError once closed."""
        with self._changed:
            if self._closed:
                raise EngineError("the engine is closed", hint="create a new one")
            (self._idle if generation.idle else self._waiting).append(generation)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="step-audio-2", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Ends everything that runs and waits for the thread. Blocks for at most one round."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with torch.inference_mode():
            while self._wait():
                self._admit()
                self._prefill_next()
                self._decode_batch()
                self._active = [job for job in self._active if not job.ended]
        for job in [*self._active, *self._waiting, *self._idle]:
            self._end(job, "closed")

    def _wait(self) -> bool:
        with self._changed:
            while not (self._closed or self._active or self._waiting or self._idle):
                self._changed.wait()
            return not self._closed

    @contextmanager
    def _failing(self, jobs: Sequence[Generation]) -> Iterator[None]:
        """Turns a failure into the end of those generations; this thread goes on."""
        try:
            yield
        except Exception as error:
            logger.exception("the model failed")
            reason = (str(error) or type(error).__name__).splitlines()[0]
            for job in jobs:
                job.prefix.prefix_ids.clear()  # the content of its slot is uncertain
                job.fail(EngineError(f"the model failed: {reason}", hint=_advice(error)))

    # Admission

    def _admit(self) -> None:
        with self._changed:
            waiting, self._waiting = self._waiting, deque()
            rest = [job for job in waiting if not self._admitted(job)]
            self._waiting.extendleft(reversed(rest))
            busy = bool(self._active or self._waiting)
            if self._idle and not busy:
                self._start(self._idle.popleft(), self._prefix_cache.spare)

    def _admitted(self, job: Generation) -> bool:
        if job.halted:
            self._end(job, "halted")
            return True
        regular = [other for other in self._active if not (other.idle or other.ended)]
        if len(regular) >= self._max_batch:
            return False
        if any(other.prefix is job.prefix for other in regular):
            return False
        in_use = {other.slot for other in self._active if not other.ended}
        self._start(job, self._prefix_cache.take(job.prefix, in_use))
        return True

    def _start(self, job: Generation, slot: int) -> None:
        with self._failing([job]):
            job.begin(slot, self._model.sizes.text.vocab_size, self._model.device)
            self._active.append(job)

    # One round

    def _prefill_next(self) -> None:
        prefilling = [job for job in self._runnable() if job.to_prefill]
        if prefilling:
            job = min(prefilling, key=lambda job: job.rounds)
            with self._failing([job]):
                self._prefill(job)

    def _prefill(self, job: Generation) -> None:
        job.rounds += 1
        decoding = any(not other.to_prefill for other in self._runnable())
        busy, alone = CHUNKS[self._model.device.type]
        x = job.next_embeddings(self._model, busy if decoding else alone)
        states = self._decoder.prefill(x, job.slot, job.cached)
        job.prefilled(len(x))
        if not job.to_prefill:
            self._sample([job], self._model.language.logits(states[-1:]))

    def _decode_batch(self) -> None:
        decoding = [job for job in self._runnable() if not job.to_prefill]
        if decoding:
            with self._failing(decoding):
                self._decode(decoding)

    def _decode(self, jobs: Sequence[Generation]) -> None:
        ids = [job.generated[-1] for job in jobs]
        slots, lengths = [job.slot for job in jobs], [job.cached for job in jobs]
        logits = self._decoder.decode(ids, slots, lengths)
        for job in jobs:
            job.token_cached()
        self._sample(jobs, logits)

    def _runnable(self) -> list[Generation]:
        """Returns the generations of this round: idle work only if there is nothing else."""
        for job in self._active:
            if job.halted and not job.ended:
                self._end(job, "halted")
        running = [job for job in self._active if not job.ended]
        regular = [job for job in running if not job.idle]
        return regular or running

    def _sample(self, jobs: Sequence[Generation], logits: Tensor) -> None:
        for job, token in zip(jobs, self._sample_batch(jobs, logits), strict=True):
            job.take(token, self._model.sizes.text.vocab_size, self._model.device)
            if token in job.ends:
                self._end(job, "stop")
            elif len(job.generated) >= job.max_tokens or job.cached + 1 >= self.window:
                self._end(job, "length")

    def _end(self, job: Generation, reason: EndReason) -> None:
        job.end(reason)
        if job.one_off:
            self._prefix_cache.release(job.prefix)


def _advice(error: Exception) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return "lower step_audio_2.window, conversations or max_batch in the settings"
    return "see the log"
