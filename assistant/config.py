"""Settings, from four places, each over the one before:

    defaults < assistant.toml < ASSISTANT_* environment variables < options of the call

A variable names its key in capitals, with two underscores between table and key:
`ASSISTANT_VOICE=awb`, `ASSISTANT_PLUGINS__TIMEOUT_S=5`, `ASSISTANT_TOOLS__WEATHER__BASE_URL=...`.
An unknown key is an error that suggests the nearest one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import platformdirs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from assistant.audio import DEFAULT_VOICE
from assistant.errors import SettingsError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTINGS_FILE = Path("assistant.toml")
ENVIRONMENT_PREFIX = "ASSISTANT_"

SYSTEM_PROMPT = (
    "You are a helpful voice assistant. Answer in spoken style, briefly, in the user's language."
)


def _split(value: Any) -> Any:
    """An environment variable holds a list as words with commas between."""
    return (
        [word.strip() for word in value.split(",") if word.strip()]
        if isinstance(value, str)
        else value
    )


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Folders = Annotated[tuple[Path, ...], BeforeValidator(_split)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Sampling(_Table):
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


class PluginSettings(_Table):
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


class LibrarySettings(_Table):
    """Where voice clips come from."""

    folder: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("assistant")) / "voices"
    )
    """The user's own clips, and the index."""
    bundled: bool = True
    """Also the clips that come with the project."""


class StepAudio2Settings(_Table):
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


class LimitSettings(_Table):
    """What the server takes at most. Beyond it, callers read 413, 429 or 503."""

    max_body_bytes: int = Field(default=32 * 2**20, ge=1_024)
    """Ten minutes of 16 kHz WAV in base64 are 26 MB."""
    body_timeout_s: float = Field(default=60.0, gt=0.0)
    max_json_depth: int = Field(default=64, ge=4, le=200)
    fetch_timeout_s: float = Field(default=10.0, gt=0.0)
    """For an `audio_url`, redirects included."""
    max_turns: int = Field(default=32, ge=1)
    """Turns that run at the same time."""
    max_waiting: int = Field(default=64, ge=0)
    """Turns that wait for a place; the next one is refused."""
    max_wait_s: float = Field(default=30.0, gt=0.0)
    stall_s: float = Field(default=30.0, gt=0.0)
    """A client that takes nothing for so long has lost its turn."""


class SessionSettings(_Table):
    """Conversations that the server keeps."""

    file: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("assistant")) / "sessions.sqlite3"
    )
    ttl_s: float = Field(default=86_400.0, gt=0.0)
    """A conversation is deleted so long after its last turn."""
    max_per_key: int = Field(default=10_000, ge=1)
    max_bytes: int = Field(default=4 * 2**30, ge=2**16)
    """The size of the file at which no more is stored."""
    sounds: Literal["all", "untranscribed", "none"] = "untranscribed"
    """Which recordings of users are stored: where the transcript stands for one, it is enough."""


class ServerSettings(_Table):
    """`assistant serve`: where it listens, and what it allows."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    """0 takes any free port."""
    audio_folder: Path | None = None
    """The folder that `audio_path` of POST /generate may read from; not given, none."""
    keys: Path | None = None
    """The file of API keys; not given, whoever reaches the port may ask."""
    insecure: bool = False
    """Listen on other addresses than this machine's own without keys."""
    allowed_hosts: Names = ()
    """Further names by which this machine is asked, where there are no keys."""
    cors_origins: Names = ()
    """Origins whose web pages may ask; `*` is all of them."""
    log_content: bool = False
    """Also write transcripts, answers and tool arguments to the log."""
    drain_s: float = Field(default=0.0, ge=0.0)
    """How long /ready answers 503 before the port is closed, for load balancers to notice."""
    shutdown_s: float = Field(default=30.0, gt=0.0)
    """How long running turns may go on when the server is told to stop."""
    limits: LimitSettings = LimitSettings()
    sessions: SessionSettings = Field(default_factory=SessionSettings)


class Settings(_Table):
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
    server: ServerSettings = Field(default_factory=ServerSettings)
    tools: dict[str, dict[str, Any]] = {}
    """A table for each tool, checked by the tool's own settings model when it is loaded."""


def bundled(name: str) -> Path:
    """The folder `name` (tools, voices) that comes with the project.

    In a wheel it lies inside the package, in a checkout beside it.
    """
    here = Path(__file__).parent
    inside = here / "_bundled" / name
    return inside if inside.is_dir() else here.parent / name


def load_settings(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings of all four places together.

    `file`: by default assistant.toml in the working folder, where there is one. `options`: nested
    as the tables are; a value of None means not given. Raises SettingsError.
    """
    values: dict[str, Any] = {}
    _merge(values, _from_file(file))
    _merge(values, _from_environment(os.environ if environment is None else environment))
    _merge(values, options or {})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(describe(error, Settings)) from None


def describe(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """A validation error in one line; for unknown keys with the nearest known one."""
    return "; ".join(_describe_one(problem, model, prefix) for problem in error.errors())


def _describe_one(problem: Any, model: type[BaseModel], prefix: str) -> str:
    key = prefix + ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":  # its input is the whole table, with what may be secret in it
        return f"{key}: must be set"
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg'].lower()}, not {problem['input']!r}"
    hint = did_you_mean(str(problem["loc"][-1]), _keys(model, problem["loc"][:-1]))
    return f"unknown setting {key!r}" + (f"; {hint}" if hint else "")


def _keys(model: type[BaseModel], path: Iterable[str | int]) -> Iterable[str]:
    """The keys of the table at `path`; none where it lies inside a list or an untyped table."""
    table: Any = model
    for part in path:
        field = table.model_fields.get(str(part))
        table = field.annotation if field else None
        if not (isinstance(table, type) and issubclass(table, BaseModel)):
            return ()
    return cast(type[BaseModel], table).model_fields


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or SETTINGS_FILE
    if file is None and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:  # TOML that is none, text that is no UTF-8
        raise SettingsError(f"{path}: not TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            *tables, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            table = values
            for part in tables:
                table = table.setdefault(part, {})
                if not isinstance(table, dict):
                    raise SettingsError(f"{name}: {part} is set as a value and as a table")
            table[key] = value
    return values


def _merge(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = values.setdefault(key, {})
            if isinstance(below, dict):
                _merge(below, value)
                continue
        if value is not None:
            values[key] = value
