"""`assistant ask`: one question, one answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, cast, get_args

import anyio
import typer
from rich.console import Console

from assistant.assistant import Assistant
from assistant.audio import Pcm16, write_wav
from assistant.cli.options import (
    EngineName,
    Language,
    SettingsFile,
    ToolFolders,
    VoiceId,
    refuse_bad_plugins,
    settings_from,
)
from assistant.cli.render import Renderer
from assistant.config import Settings
from assistant.engines.base import Task
from assistant.errors import AssistantError, AudioError
from assistant.events import AudioChunk, Event, TurnEnded, to_json


def ask(
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="The question.")] = None,
    audio: Annotated[
        Path | None, typer.Option(metavar="IN", help="Sound file with the spoken question.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the spoken answer to this WAV file.")
    ] = None,
    voice: VoiceId = None,
    tools: ToolFolders = None,
    engine: EngineName = None,
    language: Language = None,
    task: Annotated[
        str, typer.Option(metavar="TASK", help=f"What to do: {', '.join(get_args(Task))}.")
    ] = "answer",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one event a line, as JSON.")
    ] = False,
    json_audio: Annotated[
        bool, typer.Option("--json-audio", help="As --json, with the samples in base64.")
    ] = False,
    settings: SettingsFile = None,
) -> None:
    """Ask one question by text or sound, and get the answer as text and sound."""
    if (text is None) == (audio is None):
        raise AssistantError("give a question: either TEXT or --audio FILE")
    if task not in get_args(Task):
        raise AssistantError(f"no task is called {task!r}", hint=", ".join(get_args(Task)))
    if out is not None and not out.parent.is_dir():
        raise AudioError(f"{out}: there is no folder {out.parent}")
    values = settings_from(settings, tools, engine=engine, voice=voice, language=language)
    question = audio if audio is not None else str(text)
    show = _JsonLines(json_audio) if as_json or json_audio else Renderer(Console())
    speak = out is not None or as_json or json_audio
    ended, pieces = anyio.run(_turn, values, question, cast(Task, task), tools, speak, show)
    if out is not None and pieces:
        write_wav(out, pieces)
        show.saved(out, ended.audio_seconds)
    if ended.reason != "completed":
        raise typer.Exit(1)


async def _turn(
    settings: Settings,
    question: str | Path,
    task: Task,
    folders: list[Path] | None,
    speak: bool,
    show: Renderer | _JsonLines,
) -> tuple[TurnEnded, list[Pcm16]]:
    pieces: list[Pcm16] = []
    async with Assistant(settings) as assistant:
        refuse_bad_plugins(assistant, folders)
        async for event in assistant.session(speak=speak).ask(question, task=task):
            show.event(event)
            if isinstance(event, AudioChunk):
                pieces.append(event.samples)
    assert isinstance(event, TurnEnded)  # every turn ends with it
    return event, pieces


class _JsonLines:
    def __init__(self, with_samples: bool) -> None:
        self._with_samples = with_samples

    def event(self, event: Event) -> None:
        line = json.dumps(to_json(event, with_samples=self._with_samples), ensure_ascii=False)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def saved(self, path: Path, seconds: float) -> None:
        """Nothing but events goes to standard output."""
