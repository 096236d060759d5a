"""`assistant ask`: one question, one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from assistant.cli.options import (
    EngineName,
    Language,
    ModelPath,
    SettingsFile,
    ToolFolders,
    VoiceId,
    settings_from,
)
from assistant.cli.render import Renderer
from assistant.cli.turn import JsonLines, run_turn
from assistant.engines.base import Task
from assistant.errors import AssistantError

TASKS = get_args(Task)


def ask(
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="The question.")] = None,
    audio: Annotated[
        Path | None, typer.Option(metavar="IN", help="Audio file with the spoken question.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the spoken answer to this WAV file.")
    ] = None,
    voice: VoiceId = None,
    tools: ToolFolders = None,
    engine: EngineName = None,
    model: ModelPath = None,
    language: Language = None,
    task: Annotated[
        str, typer.Option(metavar="TASK", help=f"What to do: {', '.join(TASKS)}.")
    ] = "answer",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one event a line, as JSON.")
    ] = False,
    json_audio: Annotated[
        bool, typer.Option("--json-audio", help="As --json, with the samples in base64.")
    ] = False,
    settings: SettingsFile = None,
) -> None:
    """Ask one question by text or audio, and get the answer as text and audio."""
    if (text is None) == (audio is None):
        raise AssistantError("give a question: either TEXT or --audio FILE")
    if task not in TASKS:
        raise AssistantError(f"no task is called {task!r}", hint=", ".join(TASKS))
    in_json = as_json or json_audio
    run_turn(
        settings_from(settings, tools, engine=engine, model=model, voice=voice, language=language),
        audio if audio is not None else str(text),
        JsonLines(with_samples=json_audio) if in_json else Renderer(Console()),
        task=cast(Task, task),
        out=out,
        speak=out is not None or in_json,
        tools=tools,
    )
