"""The tables of the settings; those of the server are in server.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import Field

from assistant.audio.voice import DEFAULT_VOICE
from assistant.config.base import Folders, Names, Table
from assistant.config.server import ServerSettings

SYSTEM_PROMPT = (
    "You are a helpful voice assistant. Answer in spoken style, briefly, in the user's language."
)


class Sampling(Table):
    """How the model picks its next token. The defaults are those of StepFun's examples."""

    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    """0 always takes the most probable token."""
    top_p: float = Field(default=0.9, gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0)
    """0 is no limit."""
    repetition_penalty: float = Field(default=1.05, ge=1.0, le=2.0)
    seed: int | None = None
    max_tokens: int = Field(default=2048, ge=1)
    stop: Names = ()


class PluginSettings(Table):
    """Where tools come from, and what they may do."""

    folders: Folders = ()
    """Folders of tool files, besides the bundled one."""
    entry_points: bool = True
    """Load tools of installed packages (entry point group `assistant.tools`)."""
    allow: Names | None = None
    """Only these tools; not given, all of them."""
    deny: Names = ()
    """Never these tools."""
    timeout_s: float = Field(default=20.0, gt=0.0)
    """For tools that name no limit of their own."""
    retries: int = Field(default=2, ge=0, le=10)
    """Further tries after a transient failure, for tools without side effects or idempotent."""
    max_result_chars: int = Field(default=4_000, ge=100)
    """A longer result is cut before the model reads it."""


class LibrarySettings(Table):
    """Where voice clips come from."""

    folder: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("assistant")) / "voices"
    )
    """The user's own clips, and the index."""
    bundled: bool = True
    """Also the clips that come with the project."""


class StepAudio2Settings(Table):
    """The engine `step-audio-2`."""

    model: str = "stepfun-ai/Step-Audio-2-mini"
    """Folder of a checkpoint, or its id on the Hugging Face Hub."""
    variant: Literal["auto", "chat", "think", "base"] = "auto"
    """What the checkpoint was trained for; `auto` goes by its name."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; `auto` takes a GPU where there is one."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 on a GPU, float32 on a CPU."""
    window: int = Field(default=0, ge=0)
    """Positions a conversation may take before old turns are compacted; 0: the checkpoint's."""
    conversations: int = Field(default=8, ge=1, le=1024)
    """So many stay warm; others are read again when they go on."""
    max_batch: int = Field(default=4, ge=1, le=256)
    """So many are spoken to at the same time; more wait."""
    euler_steps: int = Field(default=10, ge=1, le=100)
    """Steps from noise to sound; fewer are faster and coarser."""
    result_role: Literal["input", "function_output"] = "input"
    """How a tool's result goes back to the model."""
    result_prompt: str = "\n\n\n请用口语化形式总结检索结果，简短地回答用户的问题。"
    """Follows the results in the role `input`, as in StepFun's examples."""


class LiveSettings(Table):
    """How a live conversation takes turns. Lengths are of sound, as it arrives."""

    threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Probability of speech (silero VAD) from which a frame counts as speech."""
    prefix_ms: int = Field(default=300, ge=0, le=2_000)
    """Audio before the detected begin that belongs to the turn, so no first syllable is lost."""
    min_speech_ms: int = Field(default=120, ge=0, le=2_000)
    """Shorter speech is a click or a cough, and no turn."""
    silence_ms: int = Field(default=400, ge=100, le=10_000)
    """Silence after a sentence that is complete, which ends the turn."""
    long_silence_ms: int = Field(default=800, ge=100, le=20_000)
    """Silence that ends it where the sentence hangs; where nobody can tell, one in between."""
    speculate_ms: int = Field(default=120, ge=0, le=5_000)
    """Silence after which the answer starts being made, before the turn is over; 0: never."""
    max_utterance_s: float = Field(default=60.0, gt=1.0)
    """Speech without an end is cut here."""
    interrupt: bool = True
    """Speech over the answer stops it."""
    interrupt_ms: int = Field(default=96, ge=0, le=2_000)
    """Speech over the answer that stops it, where the sound can't be paused."""
    resume_ms: int = Field(default=320, ge=0, le=5_000)
    """Where it can: it pauses at once, and shorter speech (mm-hm) lets it go on."""
    lead_ins: bool = True
    """Say a short phrase while a slow tool runs."""


class Settings(Table):
    """Everything that can be set."""

    engine: str = "embedded"
    voice: str = DEFAULT_VOICE
    """Id of the clip to speak in."""
    language: str = ""
    """BCP 47 tag of the answers; empty: the language of the user."""
    system_prompt: str = SYSTEM_PROMPT
    max_tool_rounds: int = Field(default=5, ge=0, le=50)
    """Rounds of tool calls in a turn, after which the model must answer without tools."""
    max_audio_s: float = Field(default=600.0, gt=0.0)
    """The longest recording that is taken as a question."""
    max_turn_s: float = Field(default=600.0, gt=0.0)
    """A turn that takes longer fails."""
    sampling: Sampling = Sampling()
    step_audio_2: StepAudio2Settings = StepAudio2Settings()
    plugins: PluginSettings = PluginSettings()
    library: LibrarySettings = Field(default_factory=LibrarySettings)
    live: LiveSettings = LiveSettings()
    server: ServerSettings = Field(default_factory=ServerSettings)
    tools: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """A table for each tool, checked by the tool's own settings model when it is loaded."""
