"""One turn for the commands that ask one thing and end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Protocol

import anyio
import typer

from assistant.assistant import Assistant
from assistant.audio.encode import write_wav
from assistant.audio.samples import Pcm16
from assistant.config import Settings
from assistant.engines.base import Task
from assistant.errors import AudioError
from assistant.events import AudioChunk, Event, TurnEnded, to_json


class Show(Protocol):
    """Shows the events of a turn."""

    def event(self, event: Event) -> None: ...
    def saved(self, path: Path, seconds: float) -> None: ...


class JsonLines:
    """One event a line on standard output, and nothing else there."""

    def __init__(self, *, with_samples: bool) -> None:
        self._with_samples = with_samples

    def event(self, event: Event) -> None:
        line = json.dumps(to_json(event, with_samples=self._with_samples), ensure_ascii=False)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def saved(self, path: Path, seconds: float) -> None:
        """Prints nothing: the caller has given the path."""


def run_turn(
    settings: Settings,
    question: str | Path,
    show: Show,
    *,
    task: Task = "answer",
    out: Path | None = None,
    speak: bool = True,
    tools: list[Path] | None = None,
) -> None:
    """Runs the turn, shows its events and writes its audio; exit status 1 if it fails."""
    if out is not None and not out.parent.is_dir():
        raise AudioError(f"{out}: there is no folder {out.parent}")

    async def run() -> tuple[TurnEnded, list[Pcm16]]:
        pieces: list[Pcm16] = []
        async with Assistant(settings, strict_folders=tools or ()) as assistant:
            async for event in assistant.session(speak=speak).ask(question, task=task):
                show.event(event)
                if isinstance(event, AudioChunk):
                    pieces.append(event.samples)
        assert isinstance(event, TurnEnded)  # every turn ends with it
        return event, pieces

    ended, pieces = anyio.run(run)
    if out is not None and pieces:
        write_wav(out, pieces)
        show.saved(out, ended.audio_seconds)
    if ended.reason != "completed":
        raise typer.Exit(1)
