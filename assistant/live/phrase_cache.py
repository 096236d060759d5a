"""A cache of short texts as audio, rendered once: a greeting, a lead-in."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
import numpy as np

from assistant.assistant import Assistant
from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.audio.voice import DEFAULT_VOICE, Voice
from assistant.errors import AssistantError, EngineError
from assistant.events import AudioChunk, Failed

logger = logging.getLogger(__name__)

MAX_CHARS = 500
"""A longer text is no phrase: about half a minute."""

RENDERINGS_AT_ONCE = 2
"""More wait for their turn: conversations need the engine too."""

TIMEOUT_S = 60.0
_FRAME = OUTPUT_RATE // 100
_QUIET = 10 ** (-40 / 20)  # relative to the loudest frame
_KEPT_BEFORE, _KEPT_AFTER = _FRAME, 4 * _FRAME
_ENTRY_BYTES = 1024


class _Key(NamedTuple):
    text: str
    voice: Voice
    language: str


@dataclass
class _Rendering:
    """A phrase that is being rendered, and how many callers wait for it."""

    done: anyio.Event = field(default_factory=anyio.Event)
    waiting: int = 0
    samples: Pcm16 | None = None
    problem: str = "the assistant was closed"


class PhraseCache:
    """Caches the audio of short texts, the most recently used `budget_bytes` of them.

    All conversations of a server share it. A phrase is rendered in the assistant's own tasks: a
    caller that waits for it may be cancelled without harm to the others.
    """

    def __init__(self, assistant: Assistant, budget_bytes: int = 32 << 20) -> None:
        self._assistant = assistant
        self._budget = budget_bytes
        self._kept: OrderedDict[_Key, Pcm16] = OrderedDict()
        self._kept_bytes = 0
        self._running: dict[_Key, _Rendering] = {}
        self._places = anyio.CapacityLimiter(RENDERINGS_AT_ONCE)

    def ready(self, text: str, voice: Voice, language: str) -> Pcm16 | None:
        """Returns what `audio` would return, or None if it is not rendered: read-only, (n,), 24
        kHz.
        """
        key = _Key(text, voice, language)
        samples = self._kept.get(key)
        if samples is not None:
            self._kept.move_to_end(key)
        return samples

    async def audio(self, text: str, voice: Voice, language: str) -> Pcm16:
        """`text` as it is spoken, without silence at its ends. Read-only, shape (n,), 24 kHz.

        Raises AssistantError: the engine can't say it.
        """
        samples = self.ready(text, voice, language)
        if samples is not None:
            return samples
        rendering = self._rendering(_Key(text, voice, language))
        rendering.waiting += 1
        try:
            await rendering.done.wait()
        finally:
            rendering.waiting -= 1
        if rendering.samples is None:
            raise EngineError(rendering.problem)
        return rendering.samples

    async def prepare(self, texts: Iterable[str], voice: Voice, language: str) -> None:
        """Makes the phrases ready, one after another; for a task group's `start_soon`.

        What can't be rendered is logged, and left out.
        """
        for text in dict.fromkeys(texts):
            try:
                await self.audio(text, voice, language)
            except AssistantError:
                continue  # logged where it failed

    def _rendering(self, key: _Key) -> _Rendering:
        """The one that runs, or a new one."""
        if len(key.text) > MAX_CHARS:
            raise AssistantError(
                f"a phrase of {len(key.text)} characters; {MAX_CHARS} are the limit",
                hint="say less, or ask for it in a turn",
            )
        rendering = self._running.get(key)
        if rendering is None:
            rendering = _Rendering()
            self._assistant.start(self._render, key, rendering)
            self._running[key] = rendering
        return rendering

    async def _render(self, key: _Key, rendering: _Rendering) -> None:
        """Never raises: an error here would end the assistant."""
        try:
            async with self._places:
                # The request may have been cancelled while it waited.
                if rendering.waiting:
                    rendering.samples = await self._spoken(key)
                    self._keep(key, rendering.samples)
        except AssistantError as error:
            rendering.problem = f"the phrase {key.text!r} could not be spoken: {error}"
            logger.warning("%s", rendering.problem)
        except Exception:
            rendering.problem = f"the phrase {key.text!r} could not be spoken"
            logger.exception("%s", rendering.problem)
        finally:
            del self._running[key]
            rendering.done.set()

    async def _spoken(self, key: _Key) -> Pcm16:
        session = self._assistant.session(voice=DEFAULT_VOICE, language=key.language)
        pieces: list[Pcm16] = []
        with anyio.move_on_after(TIMEOUT_S) as scope:
            async with aclosing(session.ask(key.text, task="read", voice=key.voice)) as events:
                async for event in events:
                    if isinstance(event, AudioChunk):
                        pieces.append(event.samples)
                    elif isinstance(event, Failed):
                        raise EngineError(event.message)
        if scope.cancelled_caught:
            raise EngineError(f"it took longer than {TIMEOUT_S:.0f} seconds")
        samples = trimmed(np.concatenate(pieces)) if pieces else np.zeros(0, np.int16)
        if not len(samples):
            raise EngineError("the engine returned no audio")
        samples.flags.writeable = False  # many play it
        return samples

    def _keep(self, key: _Key, samples: Pcm16) -> None:
        if _cost(key, samples) > self._budget:
            return
        self._kept[key] = samples
        self._kept_bytes += _cost(key, samples)
        while self._kept_bytes > self._budget:
            self._kept_bytes -= _cost(*self._kept.popitem(last=False))


def _cost(key: _Key, samples: Pcm16) -> int:
    return samples.nbytes + 4 * len(key.text) + _ENTRY_BYTES


def trimmed(samples: Pcm16) -> Pcm16:
    """Returns a copy without the silence at both ends, shape (m,); empty if all of it is silent."""
    count = len(samples) // _FRAME
    frames = samples[: count * _FRAME].reshape(count, _FRAME).astype(np.float32)
    loudness = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = np.flatnonzero(loudness > max(1.0, float(loudness.max(initial=0.0)) * _QUIET))
    if not len(loud):
        return np.zeros(0, np.int16)
    start = max(0, int(loud[0]) * _FRAME - _KEPT_BEFORE)
    end = (int(loud[-1]) + 1) * _FRAME + _KEPT_AFTER
    cut: Pcm16 = samples[start:end].copy()
    return cut
