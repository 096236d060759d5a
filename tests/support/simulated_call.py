"""A call whose clock the test drives: what is said, and the events of the response."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import numpy as np

from assistant import Assistant, Session, Settings
from assistant.audio.samples import Pcm16
from assistant.config import LibrarySettings, LiveSettings
from assistant.events import AudioChunk, TextDelta
from assistant.live.conversation import LiveConversation
from assistant.live.events import LiveEvent, ResponseEvent
from assistant.live.lead_ins import LeadIns
from assistant.live.phrase_cache import PhraseCache
from assistant.messages import AssistantMessage, ToolMessage
from assistant.plugins import Tool
from assistant.testing import ManualClock, ScriptedEngine

RATE = 16_000
STEP_S = 0.02
E = TypeVar("E")


class LevelDetector:
    """Judges loud frames as speech; tests/live/vad/test_frames.py tests real speech."""

    def __call__(self, samples: Pcm16) -> float:
        return 1.0 if np.abs(samples.astype(np.int32)).mean() > 500 else 0.0

    def reset(self) -> None:
        """Has no state."""


@dataclass
class Call:
    """One conversation. Everything that is said takes its time on the clock."""

    live: LiveConversation
    clock: ManualClock
    engine: ScriptedEngine
    seen: list[tuple[float, LiveEvent]] = field(default_factory=list)
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    @property
    def session(self) -> Session:
        return self.live.session

    async def speak(self, seconds: float) -> None:
        await self._send(seconds, 6_000)

    async def silence(self, seconds: float) -> None:
        await self._send(seconds, 0)

    async def _send(self, seconds: float, level: int) -> None:
        for _ in range(round(seconds / STEP_S)):
            await self.clock.advance(STEP_S)
            self.live.push_audio(self.noise(STEP_S, level))
        await self.settle()

    def noise(self, seconds: float, level: int = 6_000) -> Pcm16:
        noise = self._random.normal(0.0, level, round(seconds * RATE))
        return np.clip(noise, -32_768, 32_767).astype(np.int16)

    async def settle(self) -> None:
        await self.clock.advance(0.0)

    def of(self, kind: type[E]) -> list[E]:
        """The events of that kind, those of the turn loop as well."""
        return [event for _, event in self.timed(kind)]

    def timed(self, kind: type[E]) -> list[tuple[float, E]]:
        events = [(at, e.event if isinstance(e, ResponseEvent) else e) for at, e in self.seen]
        both = [*self.seen, *[pair for pair in events if pair not in self.seen]]
        return [(at, event) for at, event in both if isinstance(event, kind)]

    def kinds(self) -> list[str]:
        """Returns the names of the events in their order, without text and audio."""
        unwrapped = [e.event if isinstance(e, ResponseEvent) else e for _, e in self.seen]
        return [type(e).__name__ for e in unwrapped if not isinstance(e, AudioChunk | TextDelta)]

    def text(self) -> str:
        return "".join(event.text for event in self.of(TextDelta))

    def said(self) -> list[str]:
        """Returns the assistant's texts in the history."""
        return [m.text for m in self.session.history if isinstance(m, AssistantMessage)]

    def results(self) -> list[tuple[str, str]]:
        history = self.session.history
        return [(m.call.name, m.outcome) for m in history if isinstance(m, ToolMessage)]


OpenCall = Callable[..., AbstractAsyncContextManager[Call]]


@asynccontextmanager
async def open_call(
    folder: Path,
    *steps: Any,
    tools: Sequence[Tool] = (),
    live: LiveSettings | None = None,
    lead_ins: bool = False,
    client_tools: Sequence[Any] = (),
    **options: Any,
) -> AsyncIterator[Call]:
    """An engine that plays the steps, and these tools; `options` are LiveConversation's."""
    settings = Settings(
        library=LibrarySettings(folder=folder / "voices"),
    )
    clock, engine = ManualClock(), ScriptedEngine(*steps)
    async with Assistant(settings, engine=engine, tools=tools) as assistant:
        session = assistant.session(client_tools=client_tools, allow=[tool.name for tool in tools])
        conversation = LiveConversation(
            session,
            live,
            input_rate=RATE,
            clock=clock,
            lead_ins=LeadIns(PhraseCache(assistant)) if lead_ins else None,
            detector=LevelDetector(),
            **options,
        )
        async with conversation, anyio.create_task_group() as tasks:
            made = Call(conversation, clock, engine)
            tasks.start_soon(_read, made)
            yield made
            conversation.close()


async def _read(call: Call) -> None:
    async for event in call.live:
        call.seen.append((call.clock.now(), event))


def refusing_once(error: Exception) -> Callable[[AsyncGenerator[Any, None]], Any]:
    """Returns an `admit` that rejects the first turn, as a full turn queue does."""
    refused: list[bool] = []

    async def admit(turn: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        if not refused:
            refused.append(True)
            await turn.aclose()
            raise error
        async for event in turn:
            yield event

    return admit
