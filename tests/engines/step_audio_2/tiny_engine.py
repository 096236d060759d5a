"""What the tests of the engine share; see conftest.py for the fixtures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from assistant.audio.samples import Audio, Pcm16
from assistant.audio.voice import Voice
from assistant.config import Sampling
from assistant.engines.base import EngineRequest, Finish
from assistant.engines.step_audio_2.kv_cache import KeyValueCache
from assistant.engines.step_audio_2.sequence import sample_batch
from assistant.engines.step_audio_2.tokens import Mark
from assistant.messages import AssistantMessage, Message, SystemMessage, UserMessage

torch.set_num_threads(2)

GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0, max_tokens=12)


class Watcher:
    """Sees every generation; each generation outputs the next script, if there are scripts."""

    def __init__(self, *scripts: Sequence[int], end: int = -1) -> None:
        self.jobs: list[Any] = []
        self._scripts, self._end = list(scripts), end
        self._of: dict[int, Sequence[int]] = {}

    def __call__(self, job: Any, logits: Any) -> Any:
        if job not in self.jobs:
            self.jobs.append(job)
            if self._scripts:
                self._of[id(job)] = self._scripts.pop(0)
        script = self._of.get(id(job))
        if script is None:
            return logits
        said = len(job.generated)
        forced = torch.full_like(logits, -torch.inf)
        forced[script[said] if said < len(script) else self._end] = 0.0
        return forced


def sampling(steer: Callable[[Any, Any], Any] | None) -> Any:
    """Returns a way to sample a batch in which `steer` changes each job's logits first."""

    def sample(jobs: Sequence[Any], logits: Any) -> list[int]:
        if steer is not None:
            for row, job in enumerate(jobs):
                logits[row] = steer(job, logits[row])
        return sample_batch(jobs, logits)

    return sample


class ToneVocoder:
    """Stands for token2wav: 960 samples a speech token, their value is its number."""

    def __init__(self) -> None:
        self.voices: list[Voice] = []
        self.open_streams = 0

    def open(self, voice: Voice) -> ToneStream:
        self.voices.append(voice)
        self.open_streams += 1
        return ToneStream(self)

    def close(self) -> None:
        pass


class ToneStream:
    def __init__(self, vocoder: ToneVocoder) -> None:
        self._vocoder, self._closed = vocoder, False

    def push(self, tokens: Sequence[int]) -> list[Pcm16]:
        return [np.full(960, token, dtype=np.int16) for token in tokens]

    def flush(self) -> list[Pcm16]:
        return []

    def close(self) -> None:
        self._vocoder.open_streams -= not self._closed
        self._closed = True


@dataclass
class Chat:
    """A conversation, with its history as a session would have it."""

    engine: Any
    sampling: Sampling = GREEDY
    history: list[Message] = field(default_factory=lambda: [SystemMessage("You help.")])
    state: Any = None
    tools: tuple[Any, ...] = ()

    async def say(self, *parts: str | Audio, **request: Any) -> list[Any]:
        return await self.go_on(UserMessage(parts), **request)

    async def go_on(self, *messages: Message, **request: Any) -> list[Any]:
        """Returns all outputs of one step, and appends them to the history."""
        self.state = self.state or self.engine.new_state()
        self.history += messages
        options = {"sampling": self.sampling, "tools": self.tools, **request}
        asked = EngineRequest(tuple(self.history), **options)
        outputs = [output async for output in self.engine.stream(asked, self.state)]
        finish = outputs[-1]
        assert isinstance(finish, Finish)
        calls = tuple(output for output in outputs if hasattr(output, "arguments"))
        self.history.append(AssistantMessage(text_of(outputs), calls, finish.tokens))
        return outputs


def text_of(outputs: Sequence[Any]) -> str:
    return "".join(output.text for output in outputs if hasattr(output, "text"))


def recomputed(model: Any, job: Any) -> list[int]:
    """Returns the tokens without a cache: everything is prefilled again at each step."""
    language, sizes = model.language, model.sizes.text
    said: list[int] = []
    while len(said) < len(job.generated):
        prompt = job.prompt.extended(said)
        fresh = type(job)(type(job.prefix)(), prompt, job.sampler, ends=frozenset(), max_tokens=1)
        fresh.cached = 0
        with torch.inference_mode():
            x = fresh.next_embeddings(model, len(prompt))
            cache = KeyValueCache(
                sizes, slots=1, window=len(x), device=model.device, dtype=model.dtype
            )
            logits = language.logits(language.prefill(x, cache, 0, 0)[-1:])
        said.append(int(logits.argmax()))
    return said


def spoken(tokenizer: Any, text: str, speech: list[int]) -> list[int]:
    """Text and speech in the model's own order: one text token, four of speech."""
    special = tokenizer.special
    words, recordings = tokenizer.encode(text), [special.speech + number for number in speech]
    made: list[int] = []
    while words or recordings:
        made += [words.pop(0) if words else special.tts_pad]
        made += [recordings.pop(0) if recordings else special.speech + 6561 for _ in range(4)]
    return [*made, special.tts_end]


def call_text(tokenizer: Any, name: str, arguments: str) -> list[int]:
    body = f"function\n{name}\n{arguments}"
    return list(tokenizer.encode(Mark("<tool_call>"), body, Mark("</tool_call>")))
