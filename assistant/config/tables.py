"""All settings together, and the tables of plugins and of the voice library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field

from assistant.audio.voice import DEFAULT_VOICE
from assistant.config.base import Folders, Names, Table
from assistant.config.engine import Sampling, StepAudio2Settings
from assistant.config.live import LiveSettings
from assistant.config.server import ServerSettings

SYSTEM_PROMPT = (
    "You are a helpful voice assistant. Answer in spoken style, briefly, in the user's language."
)


class PluginSettings(Table):
    """Where tools come from, and what they may do."""

    folders: Folders = ()
    """Folders of tool files, besides the bundled one; empty for none."""
    entry_points: bool = True
    """Whether tools of installed packages are loaded (entry point group `assistant.tools`)."""
    allow: Names | None = None
    """Names of the tools that may be called; none allows all, an empty list allows no tool."""
    deny: Names = ()
    """Names of tools that are never called; empty for none."""
    timeout_s: float = Field(default=20.0, gt=0.0)
    """How long a call may take, in seconds, if its tool sets no limit of its own."""
    retries: int = Field(default=2, ge=0, le=10)
    """Further attempts after a transient failure, for tools that may run twice; 0 for none."""
    max_result_chars: int = Field(default=4_000, ge=100)
    """The longest result that the model reads, in characters; the rest is cut."""


class LibrarySettings(Table):
    """Where voice clips come from."""

    folder: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("assistant")) / "voices"
    )
    """Folder of your own voice clips and of the embedding index."""
    bundled: bool = True
    """Whether the bundled voice clips are used, too."""


class Settings(Table):
    """Everything that can be set."""

    engine: str = "embedded"
    """Engine that responds: `embedded`, `step-audio-2`, or one of an installed package (entry
    point group `assistant.engines`).
    """
    voice: str = DEFAULT_VOICE
    """Id of the voice clip to speak in; `default` is the engine's own voice."""
    language: str = ""
    """BCP 47 tag of the language to respond in; empty for the language of the user."""
    system_prompt: str = SYSTEM_PROMPT
    """Instructions that the model reads before every conversation; empty for none."""
    max_tool_rounds: int = Field(default=5, ge=0, le=50)
    """Rounds of tool calls in a turn, after which the model must respond without tools; 0 offers
    no tools.
    """
    max_audio_s: float = Field(default=600.0, gt=0.0)
    """The longest recording that is accepted as a question, in seconds."""
    max_turn_s: float = Field(default=600.0, gt=0.0)
    """A turn that takes longer fails, in seconds."""
    sampling: Sampling = Sampling()
    """How the next token is sampled."""
    step_audio_2: StepAudio2Settings = StepAudio2Settings()
    """The engine `step-audio-2`."""
    plugins: PluginSettings = PluginSettings()
    """Where tools come from, and what they may do."""
    library: LibrarySettings = Field(default_factory=LibrarySettings)
    """Where voice clips come from."""
    live: LiveSettings = LiveSettings()
    """How a live conversation takes turns."""
    server: ServerSettings = Field(default_factory=ServerSettings)
    """`assistant serve`."""
    tools: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """A table for each tool, by its name; the tool's own settings model validates it."""
