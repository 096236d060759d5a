"""One conversation: its history, its voice, and its turns, one at a time."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from assistant.agent import Turn
from assistant.audio import Sound, Voice
from assistant.config import Sampling
from assistant.engines.base import EngineRequest, Task
from assistant.errors import AssistantError, LibraryError
from assistant.events import Event, ToolProgress
from assistant.heard import Spoken
from assistant.messages import (
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSchema,
    UserMessage,
    open_calls,
)
from assistant.plugins import Approve, Caller, ToolOutcome, VoiceSearch
from assistant.question import as_parts
from assistant.queue import EventQueue
from assistant.shared_calls import Key, Report

if TYPE_CHECKING:
    from assistant.assistant import Assistant


@dataclass(frozen=True, slots=True)
class _Options:
    """What holds for one turn."""

    task: Task = "answer"
    sampling: Sampling | None = None
    tool_choice: str = "auto"
    commit: anyio.Event | None = None


@dataclass(frozen=True, slots=True)
class _Before:
    """What `drop` goes back to, besides the history."""

    voice: Voice
    state: Any


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
        client_tools: Iterable[ToolSchema] = (),
        voices: VoiceSearch | None = None,
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
        self._state = assistant.engine.new_state()
        self._voices = assistant.library if voices is None else voices
        self._allow = None if allow is None else frozenset(allow)
        self._deny = frozenset(deny)
        self._approve = approve
        self.client_tools = {schema.name: schema for schema in client_tools}
        self._turn: Turn | None = None
        self._options = _Options()
        self._last: Turn | None = None
        self._before: _Before | None = None
        self._known: dict[Key, ToolOutcome] = {}
        self._spoken: deque[Spoken] = deque(maxlen=8)
        self.turns = 0

    def resume(
        self, session_id: str, history: Iterable[Message], *, voice: str, turns: int
    ) -> None:
        """Goes on with a conversation from before: `turns` is how many it had, `voice` the id of
        the one that it had come to, which may be gone by now. For a session without a history.
        """
        self.id = session_id
        self.history.extend(history)
        self.turns = turns
        with suppress(LibraryError):
            self.voice = self.find_voice(voice)

    async def ask(
        self,
        *question: str | Sound | Path,
        task: Task = "answer",
        sampling: Sampling | None = None,
        tool_choice: str = "auto",
        commit: anyio.Event | None = None,
    ) -> AsyncGenerator[Event, None]:
        """One turn: says `question` (texts, sounds, sound files) and yields what happens.

        `sampling`: for this turn, instead of the settings'. `tool_choice`: auto, none, required
        (the turn begins with a call) or the name of the tool to call. `commit`: the question may
        still change; until it is set, only tools without side effects run, and the caller may
        `drop` the turn. Closing the generator early cancels the turn. Raises AudioError for a
        sound that can't be used, AssistantError when a turn is running already; what goes wrong
        later is a Failed event.
        """
        message = UserMessage(await as_parts(question, self._assistant.settings.max_audio_s))
        options = _Options(task, sampling, tool_choice, commit)
        async with aclosing(self._run(message, options)) as events:
            async for event in events:
                yield event

    async def respond(
        self, *, sampling: Sampling | None = None, tool_choice: str = "auto"
    ) -> AsyncGenerator[Event, None]:
        """One turn without a question: the assistant answers the history as it stands, such as
        after the results of the client's tools, or speaks first. Otherwise like `ask`.
        """
        async with aclosing(self._run(None, _Options("answer", sampling, tool_choice))) as events:
            async for event in events:
                yield event

    def add_result(self, call_id: str, text: str) -> None:
        """What the client's own tool answered to a call of the last turn (`TurnEnded.calls`).

        Raises AssistantError: no call with that id is open.
        """
        for call in open_calls(self.history):
            if call.id == call_id:
                self.history.append(ToolMessage(call, "ok", text))
                return
        raise AssistantError(f"no call {call_id!r} waits for a result")

    def add(self, message: UserMessage) -> None:
        """Something was said that is not to be answered by itself.

        Raises AssistantError: a turn is running.
        """
        self._check_idle()
        self.history.append(message)

    def drop(self, turn_id: str) -> None:
        """Forgets the last turn, as if it had never been: what was asked has changed.

        Outcomes of its calls are kept for the next turn, so that nothing runs twice. Raises
        AssistantError: it is still running, or another turn is the last one.
        """
        self._check_idle()
        if self._last is None or self._before is None or self._last.id != turn_id:
            raise AssistantError(f"the turn {turn_id!r} is not the last one")
        del self.history[len(self.history) - self._last.recorded :]
        self.voice, self._state = self._before.voice, self._before.state
        self._known = self._last.calls.answered()
        self._last = self._before = None

    def truncate(self, seconds: float, turn_id: str = "") -> str | None:
        """Cuts the history to what was heard in the first `seconds` of a turn's sound.

        By default of the last turn; an earlier one by its id. Gives the text that was heard; None
        for a turn that is not known (any more). May be called again, with another figure.
        """
        for spoken in reversed(self._spoken):
            if turn_id in ("", spoken.turn_id):
                return spoken.cut(self.history, seconds, self._assistant.engine.heard)
        return None

    async def _run(
        self, message: UserMessage | None, options: _Options
    ) -> AsyncGenerator[Event, None]:
        turn = self._begin(message, options)
        try:
            while (event := await turn.queue.get()) is not None:
                yield event
        finally:
            turn.scope.cancel()
            with anyio.CancelScope(shield=True):
                await turn.finished.wait()
            self._turn, self._last = None, turn
            self._spoken.append(turn.spoken)

    async def cancel(self) -> bool:
        """Stops the turn that runs; returns once the history is consistent. False: none ran."""
        turn = self._turn
        if turn is None:
            return False
        turn.scope.cancel()
        await turn.finished.wait()
        return True

    def _begin(self, message: UserMessage | None, options: _Options) -> Turn:
        self._check_idle()
        self._options = options
        for call in open_calls(self.history):
            self.history.append(ToolMessage(call, "cancelled", "The client gave no result."))
        self.turns += 1
        state = self._state
        self._before = _Before(self.voice, state.copy() if hasattr(state, "copy") else state)
        known, self._known = self._known, {}
        turn = Turn(f"turn_{self.turns}", self._assistant.engine, state, self, known)
        turn.scope.deadline = anyio.current_time() + self._assistant.settings.max_turn_s
        self._assistant.start(turn.run, message)
        self._turn = turn
        return turn

    def _check_idle(self) -> None:
        if self._turn is not None:
            raise AssistantError(
                "a turn of this session is still running", hint="wait for its end, or cancel it"
            )

    # What a turn needs (agent.Conversation).

    def request(self, *, with_tools: bool, first: bool) -> EngineRequest:
        options = self._options
        choice = options.tool_choice if first else "auto"
        tools = self._tools(choice) if with_tools and options.task == "answer" else ()
        return EngineRequest(
            messages=(SystemMessage(self.system_prompt), *self.history),
            tools=tools,
            must_call=bool(tools) and choice != "auto",
            voice=self.voice,
            language=self.language,
            speak=self.speak,
            sampling=options.sampling or self._assistant.settings.sampling,
            task=options.task,
        )

    def _tools(self, choice: str) -> tuple[ToolSchema, ...]:
        """The client's tools stand before the server's of the same name."""
        ours = self._assistant.dispatcher.schemas(self._allow, self._deny)
        known = {**{schema.name: schema for schema in ours}, **self.client_tools}
        if choice in ("auto", "required"):
            return tuple(known.values())
        return (known[choice],) if choice in known else ()

    @property
    def tools(self) -> dict[str, ToolSchema]:
        """What the model may call, by name."""
        return {schema.name: schema for schema in self._tools("auto")}

    def runs_at_client(self, call: ToolCall) -> bool:
        return call.name in self.client_tools and not call.problem

    async def dispatch(
        self, turn_id: str, call: ToolCall, report: Report, queue: EventQueue[Event]
    ) -> None:
        await self._committed(call)

        def progress(call: ToolCall, text: str) -> None:
            queue.put_nowait(ToolProgress(call.id, call.name, text))

        caller = Caller(
            session_id=self.id,
            turn_id=turn_id,
            language=self.language,
            voice=self.voice,
            voices=self._voices,
            allow=self._allow,
            deny=self._deny,
            approve=self._approve,
            on_progress=progress,
        )
        await self._assistant.dispatcher.run(call, caller, report)

    async def _committed(self, call: ToolCall) -> None:
        """What changes the world waits until the question is certain."""
        tool = self._assistant.registry.get(call.name)
        if self._options.commit is not None and tool and tool.side_effect != "none":
            await self._options.commit.wait()

    def find_voice(self, voice_id: str) -> Voice:
        """The voice of that id; the default's is the one that the session began with."""
        if voice_id == Voice().id:
            return self._normal_voice
        return self._voices.get(voice_id)
