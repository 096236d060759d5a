"""A conversation with an engine, and helpers to read its outputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from assistant.audio.samples import Audio
from assistant.audio.voice import Voice
from assistant.engines.base import (
    Engine,
    EngineOutput,
    EngineRequest,
    Finish,
    Speech,
    Task,
)
from assistant.events import TextDelta
from assistant.messages import (
    AssistantMessage,
    Message,
    Outcome,
    ToolCall,
    ToolMessage,
    ToolSchema,
    UserMessage,
)
from tests.engines.embedded.toolbox import TOOLS


@dataclass
class Conversation:
    """Goes through turns as the assistant's loop does, without running any tool."""

    engine: Engine
    tools: Sequence[ToolSchema] = TOOLS
    messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.engine.new_state()

    async def step(
        self,
        language: str = "",
        speak: bool = True,
        voice: Voice | None = None,
        task: Task = "answer",
        must_call: bool = False,
    ) -> list[EngineOutput]:
        request = EngineRequest(
            tuple(self.messages),
            self.tools,
            voice or Voice(),
            language,
            speak,
            task=task,
            must_call=must_call,
        )
        outputs = [output async for output in self.engine.stream(request, self.state)]
        assert isinstance(outputs[-1], Finish)
        calls = tuple(output for output in outputs if isinstance(output, ToolCall))
        assert (outputs[-1].reason == "tool_calls") == bool(calls)
        self.messages.append(AssistantMessage(said(outputs), calls))
        return outputs

    async def ask(self, *parts: str | Audio, **options: Any) -> list[EngineOutput]:
        self.messages.append(UserMessage(parts))
        return await self.step(**options)

    async def results(self, *texts: str, outcome: Outcome = "ok") -> list[EngineOutput]:
        last = self.messages[-1]
        assert isinstance(last, AssistantMessage)
        for call, text in zip(last.calls, texts, strict=True):
            self.messages.append(ToolMessage(call, outcome, text))
        return await self.step()


def said(outputs: Sequence[EngineOutput]) -> str:
    return "".join(output.text for output in outputs if isinstance(output, TextDelta))


def called(outputs: Sequence[EngineOutput]) -> list[tuple[str, dict[str, object]]]:
    calls = [output for output in outputs if isinstance(output, ToolCall)]
    assert not any(call.problem for call in calls)
    return [(call.name, json.loads(call.arguments)) for call in calls]


def speech(outputs: Sequence[EngineOutput]) -> Audio:
    pieces = [output.samples for output in outputs if isinstance(output, Speech)]
    return Audio.from_pcm16(np.concatenate(pieces)) if pieces else Audio(np.zeros(0, np.float32), 1)


def shape(outputs: Sequence[EngineOutput]) -> list[str]:
    return [type(output).__name__ for output in outputs]


on_both_loops = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"], indirect=True)
