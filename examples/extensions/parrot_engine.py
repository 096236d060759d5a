"""An engine: it says what the user typed. A package names `create` in its pyproject.toml:

    [project.entry-points."assistant.engines"]
    parrot = "parrot_engine:create"

and `assistant ask "Hello." --engine parrot` uses it.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import numpy as np

from assistant.config import Settings
from assistant.extending import EngineOutput, EngineRequest, Finish, Speech, TextDelta
from assistant.messages import AssistantMessage, UserMessage


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
        self, request: EngineRequest, state: ParrotState
    ) -> AsyncGenerator[EngineOutput, None]:
        users = [message for message in request.messages if isinstance(message, UserMessage)]
        state.turns += 1
        yield TextDelta(users[-1].text if users else "Hello.")
        if request.speak:
            time = np.arange(2_400) / 24_000
            yield Speech((8_000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16))
        yield Finish()

    def warm_up(self) -> None:
        """There is nothing to load."""

    def truncate(self, message: AssistantMessage, seconds: float) -> AssistantMessage | None:
        return None

    async def aclose(self) -> None:
        """There is nothing to free."""


def create(settings: Settings) -> ParrotEngine:
    return ParrotEngine()
