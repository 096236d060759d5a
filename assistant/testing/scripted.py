"""An engine that says what a test tells it to say."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import numpy as np

from assistant.audio.samples import OUTPUT_RATE
from assistant.engines.base import EngineOutput, EngineRequest, Finish, Speech
from assistant.engines.parser import ToolCallParser
from assistant.events import TextDelta
from assistant.messages import AssistantMessage, ToolCall

Act = str | EngineOutput | Exception | Callable[[], Awaitable[None]]
"""One act of the scripted engine:

- a string is spoken, as text and as audio; tool calls in it (`<tool_call>...`) are parsed;
- an output of an engine is passed on as it is;
- an exception is raised;
- an async function is awaited, such as the `wait` of an event that the test sets.
"""

SECONDS_A_CHARACTER = 0.05


@dataclass
class ScriptState:
    """The position of a conversation in the script."""

    step: int = 0

    def copy(self) -> ScriptState:
        """Returns the state itself: the script goes on after a dropped turn."""
        return self


class ScriptedEngine:
    """An engine that plays a script: each call of `stream` plays the next step, in each
    conversation.

        engine = ScriptedEngine(
            ["One moment. ", '<tool_call>function\\nweather\\n{"location": "Oslo"}</tool_call>'],
            ["It is snowing in Oslo."],
        )

    A step is a list of acts, or a function from the request to them. After the last step the script
    repeats it. `requests` holds every request, oldest first.
    """

    name = "scripted"

    def __init__(self, *steps: Iterable[Act] | Callable[[EngineRequest], Iterable[Act]]) -> None:
        self._steps = [step if callable(step) else tuple(step) for step in steps] or [()]
        self._ids = itertools.count(1)
        self.requests: list[EngineRequest] = []
        self.closed = False

    def new_state(self) -> ScriptState:
        return ScriptState()

    async def stream(
        self, request: EngineRequest, state: ScriptState
    ) -> AsyncGenerator[EngineOutput, None]:
        self.requests.append(request)
        step = self._steps[min(state.step, len(self._steps) - 1)]
        state.step += 1
        called = False
        for act in step(request) if callable(step) else step:
            await anyio.lowlevel.checkpoint()
            if isinstance(act, Exception):
                raise act
            if callable(act):
                await act()
                continue
            for output in self._parsed(act) if isinstance(act, str) else (act,):
                called = called or isinstance(output, ToolCall)
                yield output
                if isinstance(output, Finish):
                    return
                if isinstance(output, TextDelta) and isinstance(act, str) and request.speak:
                    yield speech_of(output.text)
        yield Finish("tool_calls" if called else "stop")

    def _parsed(self, text: str) -> list[EngineOutput]:
        parser = ToolCallParser(lambda: f"call_{next(self._ids)}")
        return [*parser.feed(text), *parser.finish()]

    def warm_up(self) -> None:
        """Is ready."""

    def truncate(self, message: AssistantMessage, seconds: float) -> None:
        """Has no tokens to tell by."""

    async def aclose(self) -> None:
        self.closed = True


def speech_of(text: str) -> Speech:
    """Returns a quiet tone, as long as the text takes to say: no silence, and its length identifies
    it.
    """
    count = int(len(text) * SECONDS_A_CHARACTER * OUTPUT_RATE)
    wave = np.sin(np.arange(count) * (2 * np.pi * 220 / OUTPUT_RATE))
    return Speech((wave * 8000).astype(np.int16))
