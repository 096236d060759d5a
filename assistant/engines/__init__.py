"""The engines by name. Each is imported only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from assistant.config import Settings
from assistant.engines.base import Engine
from assistant.errors import EngineError, did_you_mean

ENGINES = {
    "embedded": "assistant.engines.embedded",
    "step-audio-2": "assistant.engines.step_audio_2",
}
"""The built-in engines: name to module; the module's `create(settings)` returns the engine."""


def create_engine(settings: Settings) -> Engine:
    """The engine that the settings name. Raises EngineError: unknown, or it can't start."""
    name = settings.engine
    if name not in ENGINES:
        known = ", ".join(sorted(ENGINES))
        hint = did_you_mean(name, ENGINES) or f"known: {known}"
        raise EngineError(f"no engine is called {name!r}", hint=hint)
    return cast(Engine, import_module(ENGINES[name]).create(settings))
