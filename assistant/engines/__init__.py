"""The engines by name: the built-in ones, and those of installed packages.

Each is imported only when it is asked for. A package adds an engine by an entry point of the group
`assistant.engines`; its value is an EngineFactory:

    [project.entry-points."assistant.engines"]
    parrot = "parrot_engine:create"
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from assistant.config import Settings
from assistant.engines.base import Engine, EngineFactory
from assistant.errors import AssistantError, EngineError, did_you_mean

ENTRY_POINTS = "assistant.engines"
"""The entry point group of engines in installed packages."""

BUILT_IN = {
    "embedded": "assistant.engines.embedded",
    "step-audio-2": "assistant.engines.step_audio_2",
}
"""Name to module; the module's `create(settings)` returns the engine."""


def engine_names() -> tuple[str, ...]:
    """Returns the names that the setting `engine` may have here, sorted."""
    return tuple(sorted({*BUILT_IN, *entry_points(group=ENTRY_POINTS).names}))


def create_engine(settings: Settings) -> Engine:
    """Returns the engine that the settings name; a built-in name can't be taken by a package.

    Raises EngineError if no engine or more than one has that name, or if it can't start.
    """
    name = settings.engine
    if name in BUILT_IN:
        return cast(Engine, import_module(BUILT_IN[name]).create(settings))
    installed = tuple(entry_points(group=ENTRY_POINTS, name=name))
    if len(installed) > 1:
        packages = " and ".join(sorted(_package_of(entry) for entry in installed))
        raise EngineError(f"several engines are called {name!r}", hint=f"they are in {packages}")
    if installed:
        return _from_package(installed[0], settings)
    hint = did_you_mean(name, engine_names()) or f"known: {', '.join(engine_names())}"
    raise EngineError(f"no engine is called {name!r}", hint=hint)


def _from_package(entry: EntryPoint, settings: Settings) -> Engine:
    """Returns the engine of an installed package. Raises EngineError, which names the package."""
    try:
        create: EngineFactory = entry.load()
        return create(settings)
    except AssistantError:
        raise
    except (Exception, SystemExit) as error:  # it runs a package's code
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        message = f"the engine {entry.name!r} of {_package_of(entry)} can't start: {reason}"
        raise EngineError(message, hint=f"its entry point is {entry.value}") from error


def _package_of(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an installed package"
