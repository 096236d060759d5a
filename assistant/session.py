"""One conversation: its history, its voice, and its turns, one at a time."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from assistant.agent import Turn
from assistant.audio import Sound, Voice, read_sound
from assistant.engines.base import EngineRequest, Task
from assistant.errors import AssistantError, AudioError
from assistant.events import Event, ToolProgress
from assistant.messages import Message, SystemMessage, ToolCall, UserMessage
from assistant.plugins import Approve, Caller, ToolOutcome
from assistant.queue import EventQueue

if TYPE_CHECKING:
    from assistant.assistant import Assistant


class Session:
    """One conversation. Made by `Assistant.session`; cheap, thousands may be open at once."""

    def __init__(
        self,
        assistant: Assistant,
        *,
        voice: Voice,
        language: str = "",
        system_prompt: str = "",
        allow: Iterable[str] | None = None,
        deny: Iterable[str] = (),
        approve: Approve | None = None,
        speak: bool = True,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.history: list[Message] = []
        self.voice = voice
        self.language = language
        self.system_prompt = system_prompt
        self.speak = speak
        self.max_tool_rounds = assistant.settings.max_tool_rounds
        self._assistant = assistant
        self._normal_voice = voice
        self._allow = None if allow is None else frozenset(allow)
        self._deny = frozenset(deny)
        self._approve = approve
        self._state = assistant.engine.new_state()
        self._turn: Turn | None = None
        self._task: Task = "answer"
        self._numbers = itertools.count(1)

    async def ask(
        self, *question: str | Sound | Path, task: Task = "answer"
    ) -> AsyncGenerator[Event, None]:
        """One turn: says `question` (texts, sounds, sound files) and yields what happens.

        Closing the generator early cancels the turn. Raises AudioError for a sound that can't be
        used, AssistantError when a turn is running already; what goes wrong later is a Failed
        event.
        """
        message = UserMessage(await self._parts(question))
        turn = self._begin(message, task)
        try:
            while (event := await turn.queue.get()) is not None:
                yield event
        finally:
            turn.scope.cancel()
            with anyio.CancelScope(shield=True):
                await turn.finished.wait()
            self._turn = None

    async def cancel(self) -> bool:
        """Stops the turn that runs; returns once the history is consistent. False: none ran."""
        turn = self._turn
        if turn is None:
            return False
        turn.scope.cancel()
        await turn.finished.wait()
        return True

    def _begin(self, message: UserMessage, task: Task) -> Turn:
        if self._turn is not None:
            raise AssistantError(
                "a turn of this session is still running", hint="wait for its end, or cancel it"
            )
        self._task = task
        turn = Turn(f"turn_{next(self._numbers)}", self._assistant.engine, self._state, self)
        self._assistant.start(turn.run, message)
        self._turn = turn
        return turn

    async def _parts(self, question: tuple[str | Sound | Path, ...]) -> tuple[str | Sound, ...]:
        limit = self._assistant.settings.max_audio_s
        parts: list[str | Sound] = []
        for part in question:
            if isinstance(part, Path):
                part = await anyio.to_thread.run_sync(partial(read_sound, part, max_seconds=limit))
            if isinstance(part, Sound) and part.seconds > limit:
                raise AudioError(f"{part.seconds:.0f} seconds of sound; the limit is {limit:.0f}")
            if not isinstance(part, str) or part.strip():
                parts.append(part)
        if not parts:
            raise AssistantError("nothing was asked", hint="give a text or a sound")
        return tuple(parts)

    # What a turn needs (agent.Conversation).

    def request(self, *, with_tools: bool) -> EngineRequest:
        allowed = self._assistant.dispatcher.schemas(self._allow, self._deny)
        return EngineRequest(
            messages=(SystemMessage(self.system_prompt), *self.history),
            tools=allowed if with_tools and self._task == "answer" else (),
            voice=self.voice,
            language=self.language,
            speak=self.speak,
            sampling=self._assistant.settings.sampling,
            task=self._task,
        )

    async def dispatch(
        self, turn_id: str, call: ToolCall, report: Callable[[ToolOutcome], None], queue: EventQueue
    ) -> None:
        def progress(call: ToolCall, text: str) -> None:
            queue.put_nowait(ToolProgress(call.id, call.name, text))

        caller = Caller(
            session_id=self.id,
            turn_id=turn_id,
            language=self.language,
            voice=self.voice,
            voices=self._assistant.library,
            allow=self._allow,
            deny=self._deny,
            approve=self._approve,
            on_progress=progress,
        )
        await self._assistant.dispatcher.run(call, caller, report)

    def find_voice(self, voice_id: str) -> Voice:
        """The voice of that id; the default's is the one that the session began with."""
        if voice_id == Voice().id:
            return self._normal_voice
        return self._assistant.library.get(voice_id)
