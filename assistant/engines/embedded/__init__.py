"""The engine that needs no GPU and no weights. Making it loads neither recognizer nor voice."""

from __future__ import annotations

from assistant.config import Settings
from assistant.engines.embedded.engine import EmbeddedEngine


def create(settings: Settings) -> EmbeddedEngine:
    """The engine; its parts are loaded when they are first needed."""
    return EmbeddedEngine()
