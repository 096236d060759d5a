"""The assistant: an engine, tools and a voice library, shared by any number of sessions."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup
from typing_extensions import Self, Unpack

from assistant.audio.samples import Audio
from assistant.concurrency import open_tasks
from assistant.config import Settings, load_settings
from assistant.engines import create_engine
from assistant.engines.base import Engine
from assistant.engines.checkpoints import default_clips, local_checkpoint
from assistant.errors import AssistantError, EngineError, PluginError
from assistant.library import ClipInfo, Embedder, Source, VoiceLibrary, Voiceprint
from assistant.library.clip_similarity import MakeEmbedder
from assistant.library.external_clips import no_clips
from assistant.library.files import OnProgress, no_progress
from assistant.plugins import Dispatcher, Registry, Tool, load_tools
from assistant.session import Session, SessionContext
from assistant.turn.options import SessionOptions

logger = logging.getLogger(__name__)


class Assistant:
    """Used as `async with Assistant() as assistant:`; its turns run inside that block.

    `engine`: an engine that exists already, instead of the one that the settings name. `tools`:
    tools of the program itself, besides those that the settings find. `library`: instead of
    `open_library(settings)`. `strict_folders`: folders in which a tool file that can't be loaded is
    an error; elsewhere it is in `problems` and the rest is loaded. Entering loads everything and
    raises AssistantError if the engine can't start, or a setting, the voice library or a tool file
    of `strict_folders` is wrong.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        tools: Iterable[Tool] = (),
        library: VoiceLibrary | None = None,
        strict_folders: Iterable[Path] = (),
    ) -> None:
        self.settings = settings or load_settings()
        self.problems: tuple[PluginError, ...] = ()
        self.registry: Registry
        self.dispatcher: Dispatcher
        self.library: VoiceLibrary
        self._given_library = library
        self._engine = engine
        self._given_tools = tuple(tools)
        self._strict_folders = tuple(folder.resolve() for folder in strict_folders)
        self._tasks: TaskGroup | None = None
        self._stack = AsyncExitStack()
        self._began = 0.0

    @property
    def engine(self) -> Engine:
        """The engine. Raises AssistantError if the assistant was never open."""
        if self._engine is None:
            raise _not_open()
        return self._engine

    async def __aenter__(self) -> Self:
        logger.info("Loading the engine %s ...", self.settings.engine)
        self._began = time.perf_counter()
        await anyio.to_thread.run_sync(self._load)
        self._stack.push_async_callback(self._close_engine)
        self._tasks = await self._stack.enter_async_context(open_tasks())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tasks = None
        await self._stack.aclose()

    async def warm_up(self) -> None:
        """Loads what the first turn and the first tool calls would otherwise wait for."""
        await anyio.to_thread.run_sync(self.engine.warm_up)
        await anyio.to_thread.run_sync(self.registry.warm_up)
        logger.info("The engine is loaded (%.1f s)", time.perf_counter() - self._began)

    def session(self, **options: Unpack[SessionOptions]) -> Session:
        """Returns a new conversation. Raises LibraryError if there is no such voice."""
        self._open_tasks()
        context = SessionContext(
            self.settings, self.engine, self.dispatcher, self.library, self.start
        )
        return Session(context, options)

    def start(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Runs a function in the assistant's task group: it ends when the assistant closes."""
        self._open_tasks().start_soon(function, *args)

    def _load(self) -> None:
        given = self._given_library  # an empty library is falsy
        self.library = open_library(self.settings) if given is None else given
        report = load_tools(self.settings)
        for tool in self._given_tools:
            report.registry.add(tool)
        self.registry = report.registry
        self.problems = report.problems
        for problem in self.problems:
            _refuse(problem, self._strict_folders)
            logger.warning("%s", problem)
        self.dispatcher = Dispatcher(self.registry, self.settings.plugins)
        if self._engine is None:
            self._engine = create_engine(self.settings)

    async def _close_engine(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.engine.aclose()

    def _open_tasks(self) -> TaskGroup:
        if self._tasks is None:
            raise _not_open()
        return self._tasks


def _not_open() -> AssistantError:
    return AssistantError("the assistant is not open", hint="use `async with Assistant()`")


def _refuse(problem: PluginError, folders: Collection[Path]) -> None:
    """Raises the problem if its file lies in one of the folders."""
    path = problem.path.resolve() if problem.path else None
    if path and any(path == folder or folder in path.parents for folder in folders):
        raise problem


def open_library(
    settings: Settings,
    on_progress: OnProgress = no_progress,
    *,
    text_embedder: Embedder[str] | None = None,
    audio_embedder: MakeEmbedder | None = None,
) -> VoiceLibrary:
    """Returns the user's and the bundled voice clips, and what the engine's checkpoint adds.

    That is its default voices, and a speaker encoder that tells voices apart better than the
    library's own; both are used only while the engine is the one with that checkpoint. The engine
    is not loaded, and its packages are imported by the first search by a clip.

    `text_embedder`, `audio_embedder`: used instead of the library's or the checkpoint's own; the
    latter is called by the first search by a clip. Raises LibraryError.
    """
    has_checkpoint = settings.engine == "step-audio-2"
    model = settings.step_audio_2.model
    default_embedder = partial(_audio_embedder, model) if has_checkpoint else Voiceprint
    return VoiceLibrary(
        settings.library,
        text_embedder=text_embedder,
        audio_embedder=audio_embedder or default_embedder,
        clip_provider=partial(_default_voices, model) if has_checkpoint else no_clips,
        on_progress=on_progress,
    )


def _default_voices(model: str) -> Sequence[Source]:
    checkpoint = local_checkpoint(model)
    clips = {} if checkpoint is None else default_clips(checkpoint)
    return [Source(clip, _about(name), str(clip)) for name, clip in clips.items()]


def _about(name: str) -> ClipInfo:
    kind = name.removeprefix("default_").replace("_", " ")
    return ClipInfo(name, f"the model's own {kind} voice")


def _audio_embedder(model: str) -> Embedder[Audio]:
    """Returns CAM++ if the checkpoint has it and it works, else the library's voiceprint."""
    checkpoint = local_checkpoint(model)
    if checkpoint is None or not (checkpoint / "token2wav").is_dir():
        return Voiceprint()
    try:
        from assistant.engines.token2wav.speaker_embedder import SpeakerEmbedder

        return SpeakerEmbedder(checkpoint / "token2wav")
    except ModuleNotFoundError as error:
        reason = f"the package {error.name} is not installed"
    except ImportError as error:  # one that this machine can't run
        reason = str(error).partition("\n")[0]
    except EngineError as error:
        reason = error.message
    logger.warning("voices are compared by the library's own voiceprint: %s", reason)
    return Voiceprint()
