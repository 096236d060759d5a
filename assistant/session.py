"""One conversation: its history, its voice, and its turns, one at a time."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
from typing_extensions import Unpack

from assistant.audio.samples import Audio
from assistant.audio.voice import DEFAULT_VOICE, Voice
from assistant.config import Settings
from assistant.engines.base import Engine, EngineState
from assistant.errors import AssistantError
from assistant.events import Event
from assistant.history import History
from assistant.messages import ToolSchema, UserMessage, new_message_id
from assistant.plugins import (
    Caller,
    CallKey,
    Dispatcher,
    EarlierCalls,
    ToolOutcome,
    VoiceSearch,
)
from assistant.turn.input import as_parts
from assistant.turn.options import SessionOptions, TurnOptions, TurnSettings
from assistant.turn.rights import allowed_voice, current_names
from assistant.turn.truncation import SpokenTurn
from assistant.turn.turn import Turn

RECENT_TURNS = 8
"""Turns that can still be truncated."""


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The parts that all sessions of an assistant share. `start` runs a turn in the assistant's
    tasks.
    """

    settings: Settings
    engine: Engine
    dispatcher: Dispatcher
    voices: VoiceSearch
    start: Callable[[Callable[[UserMessage | None], Coroutine[Any, Any, None]], Any], None]


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """The state that `drop` returns to, besides the history."""

    voice: Voice
    state: EngineState
    calls: EarlierCalls


class Session:
    """One conversation. `Assistant.session` creates it; thousands may be open at once.

    Its fields are read-only: what holds for one turn is an argument of that turn, what holds from
    now on is set by `configure` and `switch_voice`.
    """

    def __init__(self, context: SessionContext, options: SessionOptions) -> None:
        """Raises LibraryError if there is no such voice."""
        settings = context.settings
        self.id = options.get("id") or uuid.uuid4().hex
        self.turns = options.get("turns", 0)
        self.history = History(options.get("history", ()))
        self._context = context
        self._voices = options.get("voices") or context.voices
        self._allow = current_names(options.get("allow"))
        self._deny = frozenset(options.get("deny", ()))
        self._approve = options.get("approve")
        self._settings = TurnSettings(
            system_prompt=_given(options.get("system_prompt"), settings.system_prompt),
            language=_given(options.get("language"), settings.language),
            speak=options.get("speak", True),
            sampling=settings.sampling,
            max_tool_rounds=settings.max_tool_rounds,
            server_tools=context.dispatcher.schemas(self._allow(), self._deny),
            client_tools=_by_name(options.get("client_tools", ())),
        )
        self._default_voice = Voice()
        self._voice = self.find_voice(_given(options.get("voice"), settings.voice))
        self._default_voice = self._voice
        self._state = context.engine.new_state()
        self._turn: Turn | None = None
        self._last: Turn | None = None
        self._checkpoint: _Checkpoint | None = None
        self._known: dict[CallKey, ToolOutcome] = {}
        self._spoken: deque[SpokenTurn] = deque(maxlen=RECENT_TURNS)

    @property
    def voice(self) -> Voice:
        """The voice of the turn that runs, otherwise the one that the next turn begins with."""
        return self._turn.voice if self._turn else self._voice

    @property
    def system_prompt(self) -> str:
        """The instructions that the model reads before the history."""
        return self._settings.system_prompt

    @property
    def language(self) -> str:
        """The BCP 47 tag of the conversation's language, empty for that of the user."""
        return self._settings.language

    @property
    def tools(self) -> dict[str, ToolSchema]:
        """The tools that the model may call, by name."""
        return self._settings.tools

    def configure(
        self,
        *,
        system_prompt: str | None = None,
        speak: bool | None = None,
        client_tools: Iterable[ToolSchema] | None = None,
    ) -> None:
        """Changes options for the turns that begin from now on; None leaves an option as it is."""
        given = TurnOptions()
        if system_prompt is not None:
            given["system_prompt"] = system_prompt
        if speak is not None:
            given["speak"] = speak
        if client_tools is not None:
            given["client_tools"] = _by_name(client_tools)
        self._settings = self._settings.with_options(given)

    def switch_voice(self, voice: Voice) -> None:
        """Lets the turns that begin from now on speak in that voice."""
        self._voice = voice

    def find_voice(self, voice_id: str) -> Voice:
        """Returns the voice with that id; the default's is the one that the session began with.

        Raises LibraryError if there is none.
        """
        if voice_id == DEFAULT_VOICE:
            return self._default_voice
        return self._voices.get(voice_id)

    async def ask(
        self,
        *question: str | Audio | Path,
        message_id: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncGenerator[Event, None]:
        """Runs one turn: says `question` (texts, audio, audio files) and yields what happens.

        `message_id` becomes the id of the user's message. Closing the generator early cancels the
        turn. Raises AudioError if a file or audio can't be used, AssistantError if a turn is
        running already; what goes wrong later is a Failed event.
        """
        parts = await as_parts(question, self._context.settings.max_audio_s)
        message = UserMessage(parts, id=message_id or new_message_id())
        async with aclosing(self._run(message, options)) as events:
            async for event in events:
                yield event

    def respond(self, **options: Unpack[TurnOptions]) -> AsyncGenerator[Event, None]:
        """Runs one turn without a question: the model responds to the history as it stands.

        That is for the results of the client's tools, or to let the assistant speak first.
        Otherwise like `ask`.
        """
        return self._run(None, options)

    def add_result(self, call_id: str, text: str) -> None:
        """Records the result of a call that the client ran (`TurnEnded.calls`).

        Raises AssistantError if no call with that id is open.
        """
        if all(call.id != call_id for call in self.history.open_calls()):
            raise AssistantError(f"no call {call_id!r} waits for a result")
        self.history.answer_call(call_id, text)

    def add(self, message: UserMessage) -> None:
        """Appends a message without a turn. Raises AssistantError if a turn is running."""
        self._check_idle()
        self.history.append(message)

    def drop(self, turn_id: str) -> None:
        """Forgets the last turn, as if it had never run: the question has changed.

        The outcomes of its calls are kept for the next turn, so that no tool runs twice. Raises
        AssistantError if that turn is still running, or is not the last one.
        """
        self._check_idle()
        if self._last is None or self._checkpoint is None or self._last.id != turn_id:
            raise AssistantError(f"the turn {turn_id!r} is not the last one")
        self.history.drop(self._last.message_ids)
        self._voice, self._state = self._checkpoint.voice, self._checkpoint.state
        self._known = self._checkpoint.calls.answered()
        self._last = self._checkpoint = None

    def truncate(self, seconds: float, turn_id: str = "") -> str | None:
        """Cuts the history to what was played in the first `seconds` of a turn's audio.

        By default of the last turn; of an earlier one by its id. Returns the text that was played,
        or None if the turn is not known (any more). May be called again with another time.
        """
        for spoken in reversed(self._spoken):
            if turn_id in ("", spoken.turn_id):
                return spoken.truncate(self.history, seconds, self._context.engine.truncate)
        return None

    async def cancel(self) -> bool:
        """Stops the turn that runs; returns once the history is consistent, False if none ran."""
        if self._turn is None:
            return False
        self._turn.scope.cancel()
        await self._turn.finished.wait()
        return True

    async def _run(
        self, message: UserMessage | None, options: TurnOptions
    ) -> AsyncGenerator[Event, None]:
        turn = self._begin(message, options)
        try:
            while (event := await turn.queue.get()) is not None:
                yield event
        finally:
            turn.scope.cancel()
            with anyio.CancelScope(shield=True):
                await turn.finished.wait()
            self._end(turn)

    def _begin(self, message: UserMessage | None, options: TurnOptions) -> Turn:
        self._check_idle()
        allow, self._voice = self._allow(), allowed_voice(self._voice, self._voices)
        self.history.close_open_calls()
        self.turns += 1
        calls, self._known = EarlierCalls(self._known), {}
        self._checkpoint = _Checkpoint(self._voice, self._state.copy(), calls)
        tools = self._context.dispatcher.schemas(allow, self._deny)
        self._settings = replace(self._settings, server_tools=tools)
        settings = self._settings.with_options(options)
        turn = Turn(
            f"turn_{self.turns}",
            settings,
            engine=self._context.engine,
            state=self._state,
            history=self.history,
            voice=options.get("voice", self._voice),
            find_voice=self.find_voice,
            dispatcher=self._context.dispatcher,
            caller=self._caller(settings, calls, allow),
        )
        turn.scope.deadline = anyio.current_time() + self._context.settings.max_turn_s
        self._context.start(turn.run, message)
        self._turn = turn
        return turn

    def _end(self, turn: Turn) -> None:
        if turn.voice_switched:
            self._voice = turn.voice
        self._turn, self._last = None, turn
        self._spoken.append(turn.spoken)

    def _caller(
        self, settings: TurnSettings, calls: EarlierCalls, allow: frozenset[str] | None
    ) -> Caller:
        return Caller(
            session_id=self.id,
            turn_id=f"turn_{self.turns}",
            language=self.language,
            voices=self._voices,
            allow=allow,
            deny=self._deny,
            approve=self._approve,
            client_tools=frozenset(settings.client_tools),
            commit=settings.commit,
            earlier=calls,
        )

    def _check_idle(self) -> None:
        if self._turn is not None:
            raise AssistantError(
                "a turn of this session is still running", hint="wait for its end, or cancel it"
            )


def _given(value: str | None, default: str) -> str:
    return default if value is None else value


def _by_name(schemas: Iterable[ToolSchema]) -> dict[str, ToolSchema]:
    return {schema.name: schema for schema in schemas}
