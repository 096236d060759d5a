"""`assistant say`: read a text aloud."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from assistant.cli.options import (
    EngineName,
    Language,
    ModelPath,
    SettingsFile,
    VoiceId,
    settings_from,
)
from assistant.cli.render import Renderer
from assistant.cli.turn import run_turn


def say(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The WAV file to write.")],
    voice: VoiceId = None,
    engine: EngineName = None,
    model: ModelPath = None,
    language: Language = None,
    settings: SettingsFile = None,
) -> None:
    """Read a text aloud, in any voice of the library."""
    values = settings_from(settings, engine=engine, model=model, voice=voice, language=language)
    run_turn(values, text, Renderer(Console()), task="read", out=out)
