"""An engine: it says what the user typed. A package names `create` in its pyproject.toml:

    [project.entry-points."assistant.engines"]
    parrot = "parrot_engine:create"

and `assistant ask "Hello." --engine parrot` uses it.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import numpy as np

import assistant.extending as ext


@dataclass
class ParrotState:
    """The state of one conversation: how often the parrot has spoken."""

    turns: int = 0

    def copy(self) -> "ParrotState":
        return replace(self)


class ParrotEngine:
    """Repeats the last user message, with a beep of 0.1 s as its audio."""

    name = "parrot"

    def new_state(self) -> ParrotState:
        return ParrotState()

    async def stream(
        self, request: ext.EngineRequest, state: ParrotState
    ) -> AsyncGenerator[ext.EngineOutput, None]:
        users = [message for message in request.messages if isinstance(message, ext.UserMessage)]
        state.turns += 1
        yield ext.TextDelta(users[-1].text if users else "Hello.")
        if request.speak:
            time = np.arange(2_400) / 24_000
            yield ext.Speech((8_000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16))
        yield ext.Finish()

    def warm_up(self) -> None:
        """There is nothing to load."""

    def truncate(self, message: ext.AssistantMessage, seconds: float) -> None:
        """Returns None: without tokens, what was played is estimated by time."""

    async def aclose(self) -> None:
        """There is nothing to free."""


def create(settings: ext.Settings) -> ext.Engine:
    """The entry point: called once, with the settings of the assistant."""
    return ParrotEngine()
