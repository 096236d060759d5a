"""`ask` for scripts: one question, one answer, no async."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np
from typing_extensions import Unpack

from assistant.assistant import Assistant
from assistant.audio.encode import write_wav
from assistant.audio.samples import Audio, Pcm16
from assistant.config import Settings
from assistant.errors import EngineError
from assistant.events import AudioChunk, Event, Failed, Transcript, TurnEnded
from assistant.turn.options import SessionOptions


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A whole turn.

    `samples`: 24 kHz mono int16, shape (n,). `transcript`: the text of the spoken question.
    """

    text: str
    samples: Pcm16
    transcript: str
    events: tuple[Event, ...]

    def save(self, path: Path) -> None:
        """Writes the samples as a WAV file. Raises AudioError if that fails."""
        write_wav(path, [self.samples])


def ask(
    *question: str | Audio | Path,
    settings: Settings | None = None,
    **session: Unpack[SessionOptions],
) -> Answer:
    """Asks one question and waits for the whole answer; blocks.

    Further arguments are those of `Assistant.session`. Raises EngineError if the turn fails. To
    ask more than once, keep an `Assistant` open: it loads its engine once.
    """
    return anyio.run(_ask, question, settings, session)


async def _ask(
    question: tuple[str | Audio | Path, ...], settings: Settings | None, session: SessionOptions
) -> Answer:
    async with Assistant(settings) as assistant:
        events = [event async for event in assistant.session(**session).ask(*question)]
    return to_answer(events)


def to_answer(events: list[Event]) -> Answer:
    """Returns the answer that a turn's events add up to. Raises EngineError if the turn failed."""
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
