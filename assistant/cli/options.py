"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.config import Settings, load_settings

ToolFolders = Annotated[
    list[Path] | None,
    typer.Option("--tools", metavar="DIR", help="Also load the tools of this folder. Repeatable."),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings file, instead of assistant.toml."),
]
EngineName = Annotated[
    str | None, typer.Option("--engine", metavar="NAME", help="Engine to answer with.")
]
ModelPath = Annotated[
    str | None,
    typer.Option("--model", metavar="PATH", help="Checkpoint of step-audio-2: a folder or Hub id."),
]
VoiceId = Annotated[str | None, typer.Option("--voice", metavar="ID", help="Voice to answer in.")]
Language = Annotated[
    str | None,
    typer.Option("--language", metavar="TAG", help="Language of the answer, such as en or zh-CN."),
]


def settings_from(
    file: Path | None,
    tools: list[Path] | None = None,
    *,
    model: str | None = None,
    **values: Any,
) -> Settings:
    """The settings with the options of a command over them; None means not given."""
    settings = load_settings(file, options={**values, "step_audio_2": {"model": model}})
    if not tools:
        return settings
    folders = (*settings.plugins.folders, *tools)
    return settings.model_copy(
        update={"plugins": settings.plugins.model_copy(update={"folders": folders})}
    )
