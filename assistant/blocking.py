"""For scripts: one question, one answer, no async."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from assistant.assistant import Assistant
from assistant.audio.encode import write_wav
from assistant.audio.samples import Audio, Pcm16
from assistant.config import Settings
from assistant.errors import EngineError
from assistant.events import AudioChunk, Event, Failed, Transcript, TurnEnded


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A whole turn. `samples`: 24 kHz mono int16, shape (n,). `transcript`: what was heard."""

    text: str
    samples: Pcm16
    transcript: str
    events: tuple[Event, ...]

    def save(self, path: Path) -> None:
        """Writes the sound as a WAV file. Raises AudioError."""
        write_wav(path, [self.samples])


def ask(*question: str | Audio | Path, settings: Settings | None = None, **session: Any) -> Answer:
    """Asks one question and waits for the whole answer; blocks.

    Further arguments are those of `Assistant.session`. Raises EngineError when the turn fails.
    To ask more, keep an `Assistant` open: it loads its engine once.
    """
    return anyio.run(_ask, question, settings, session)


async def _ask(
    question: tuple[str | Audio | Path, ...], settings: Settings | None, session: dict[str, Any]
) -> Answer:
    async with Assistant(settings) as assistant:
        events = [event async for event in assistant.session(**session).ask(*question)]
    return to_answer(events)


def to_answer(events: list[Event]) -> Answer:
    """The events of a turn, put together. Raises EngineError when it failed."""
    text, transcript = "", ""
    pieces: list[Pcm16] = [np.zeros(0, np.int16)]
    for event in events:
        if isinstance(event, AudioChunk):
            pieces.append(event.samples)
        elif isinstance(event, Transcript):
            transcript = event.text
        elif isinstance(event, Failed):
            raise EngineError(event.message)
        elif isinstance(event, TurnEnded):
            text = event.text
    return Answer(text, np.concatenate(pieces), transcript, tuple(events))
