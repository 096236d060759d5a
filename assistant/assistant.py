"""The assistant: an engine, tools and voices, shared by any number of sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup
from typing_extensions import Self, Unpack

from assistant.config import Settings, load_settings
from assistant.engines import create_engine
from assistant.engines.base import Engine
from assistant.errors import AssistantError, PluginError
from assistant.library import VoiceLibrary
from assistant.opening import open_library
from assistant.plugins import Dispatcher, Registry, Tool, load_tools
from assistant.session import Session, SessionContext, SessionOptions

logger = logging.getLogger(__name__)


class Assistant:
    """Used as `async with Assistant() as assistant:`; its turns run inside that block.

    `engine`: one that is made already, instead of the one that the settings name. `tools`: tools
    of the program itself, besides those that the settings find. Entering raises AssistantError:
    the engine can't start, a setting or the voice library is wrong. Tool files that can't be
    loaded are in `problems`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: Engine | None = None,
        tools: Iterable[Tool] = (),
        library: VoiceLibrary | None = None,
    ) -> None:
        self.settings = settings or load_settings()
        self.problems: tuple[PluginError, ...] = ()
        self.registry: Registry
        self.dispatcher: Dispatcher
        self.library: VoiceLibrary
        self._own_library = library
        self._engine = engine
        self._own_tools = tuple(tools)
        self._tasks: TaskGroup | None = None

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            raise AssistantError("the assistant is not open", hint="use `async with Assistant()`")
        return self._engine

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self._load)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    def _load(self) -> None:
        given = self._own_library  # an empty one is false, and meant all the same
        self.library = open_library(self.settings) if given is None else given
        report = load_tools(self.settings)
        for tool in self._own_tools:
            report.registry.add(tool)
        self.registry = report.registry
        self.problems = report.problems
        for problem in self.problems:
            logger.warning("%s", problem)
        self.dispatcher = Dispatcher(self.registry, self.settings.plugins)
        if self._engine is None:
            self._engine = create_engine(self.settings)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        try:
            # The group isn't told of an error in the block: it would wrap it in another one.
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._tasks = None
            with anyio.CancelScope(shield=True):
                await self.engine.aclose()

    def session(self, **options: Unpack[SessionOptions]) -> Session:
        """Returns a new conversation. Raises LibraryError if there is no such voice."""
        self._check_open()
        context = SessionContext(
            self.settings, self.engine, self.dispatcher, self.library, self.start
        )
        return Session(context, options)

    def start(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Runs a turn in the assistant's task group: it ends when the assistant does."""
        self._check_open().start_soon(function, *args)

    def _check_open(self) -> TaskGroup:
        if self._tasks is None:
            raise AssistantError("the assistant is not open", hint="use `async with Assistant()`")
        return self._tasks
