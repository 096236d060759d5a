"""The turn loop.

    history --> engine.stream --> text, audio --------------------------> events
      ^            |                                                        ^
      |            +--> calls --> dispatch, all at the same time --> outcomes
      +---- the assistant's own words and calls, then the outcomes --+

One round is one step of the engine and the tools that it called. Rounds follow one another until
the engine answers without a call; after `max_tool_rounds` it is offered no tools any more. Whatever
ends a round (an answer, a failure, a cancellation), its words, its calls and one outcome for each
call go into the history together, so no call is ever left open there.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import anyio
from anyio.abc import TaskGroup

from assistant.audio import Voice
from assistant.clock import TurnClock
from assistant.engines.base import Engine, EngineOutput, EngineRequest, Finish, Speech
from assistant.errors import AssistantError, EngineError, LibraryError
from assistant.events import (
    AudioChunk,
    Failed,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    Transcript,
    TurnEnded,
    TurnStarted,
    VoiceChanged,
)
from assistant.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from assistant.plugins import ToolOutcome, canonical
from assistant.queue import EventQueue

logger = logging.getLogger(__name__)

Reason = Literal["completed", "cancelled", "failed"]


class Conversation(Protocol):
    """What a turn needs of its session."""

    history: list[Message]
    voice: Voice
    max_tool_rounds: int

    def request(self, *, with_tools: bool) -> EngineRequest: ...
    async def dispatch(
        self, turn_id: str, call: ToolCall, report: Callable[[ToolOutcome], None], queue: EventQueue
    ) -> None: ...
    def find_voice(self, voice_id: str) -> Voice: ...


@dataclass
class Round:
    """What one step of the engine has brought so far."""

    with_tools: bool
    text: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    outcomes: dict[str, ToolOutcome] = field(default_factory=dict)
    tokens: tuple[int, ...] = ()


@dataclass
class _Shared:
    """A call that ran, for the calls of the turn that are the same."""

    done: anyio.Event
    outcome: ToolOutcome | None = None


class Turn:
    """One turn: from what the user said to the end of the answer. Runs once."""

    def __init__(
        self, turn_id: str, engine: Engine, state: Any, conversation: Conversation
    ) -> None:
        self.id = turn_id
        self.queue = EventQueue()
        self.finished = anyio.Event()
        self.scope = anyio.CancelScope()
        self._engine = engine
        self._state = state
        self._conversation = conversation
        self._clock = TurnClock()
        self._text: list[str] = []
        self._shared: dict[tuple[str, str], _Shared] = {}

    async def run(self, message: UserMessage) -> None:
        """Never raises; what went wrong is in the events, and `finished` is set at the end."""
        reason: Reason = "cancelled"
        try:
            with self.scope:
                self.queue.put_nowait(TurnStarted(self.id))
                self._conversation.history.append(message)
                reason = await self._run_to_end()
        finally:
            text = "".join(self._text)
            ended = TurnEnded(reason, text, self._clock.audio_seconds, self._clock.latency())
            self.queue.put_nowait(ended)
            self.queue.close()
            self.finished.set()

    async def _run_to_end(self) -> Reason:
        try:
            await self._rounds()
        except AssistantError as error:
            self.queue.put_nowait(Failed(str(error)))
            return "failed"
        except Exception:
            logger.exception("The engine %s failed", self._engine.name)
            self.queue.put_nowait(Failed(f"The engine {self._engine.name} failed unexpectedly."))
            return "failed"
        return "completed"

    async def _rounds(self) -> None:
        limit = self._conversation.max_tool_rounds
        for number in range(limit + 1):
            made = await self._round(with_tools=number < limit)
            if not made.calls:
                return
            self._switch_voice(made)
        raise EngineError(f"no answer after {limit} rounds of tool calls")

    async def _round(self, *, with_tools: bool) -> Round:
        made = Round(with_tools)
        request = self._conversation.request(with_tools=with_tools)
        failure: Exception | None = None
        try:
            # Tools start while the engine still speaks; the round ends when the last one has.
            async with anyio.create_task_group() as tools:
                try:
                    await self._read(self._engine.stream(request, self._state), made, tools)
                except Exception as error:  # noqa: BLE001 - taken out of the group, raised below
                    failure = error
                    tools.cancel_scope.cancel()
        finally:
            self._record(made)
        if failure is not None:
            raise failure
        return made

    async def _read(
        self, outputs: AsyncGenerator[EngineOutput, None], made: Round, tools: TaskGroup
    ) -> None:
        async with aclosing(outputs):
            async for output in outputs:
                match output:
                    case TextDelta():
                        await self._say(output.text, made)
                    case Speech():
                        start = self._clock.audio(output.samples)
                        await self.queue.put(AudioChunk(start, output.samples))
                    case ToolCall():
                        made.calls.append(output)
                        started = ToolCallStarted(output.id, output.name, output.arguments)
                        self.queue.put_nowait(started)
                        tools.start_soon(self._call, output, made)
                    case Transcript():
                        self._heard(output)
                    case Finish():
                        made.tokens = output.tokens

    async def _say(self, text: str, made: Round) -> None:
        spoken = text
        if not made.text and self._text and _needs_space(self._text[-1], text):
            spoken = " " + text  # between the lead-in and the answer, for who reads both
        made.text.append(text)
        self._text.append(spoken)
        self._clock.text()
        await self.queue.put(TextDelta(spoken))

    def _heard(self, transcript: Transcript) -> None:
        history = self._conversation.history
        for at in range(len(history) - 1, -1, -1):
            message = history[at]
            if isinstance(message, UserMessage):
                history[at] = replace(message, transcript=transcript.text)
                break
        self.queue.put_nowait(transcript)

    async def _call(self, call: ToolCall, made: Round) -> None:
        """Runs the call; the same call of this turn runs once and shares its outcome."""

        def report(outcome: ToolOutcome) -> None:
            made.outcomes[call.id] = outcome
            self.queue.put_nowait(_finished(outcome))

        key = canonical(call)
        earlier = self._shared.get(key)
        self._clock.tool_started()
        try:
            if not made.with_tools:
                report(ToolOutcome(call, "denied", "No more tools can be called in this turn."))
            elif earlier is None:
                await self._call_first(call, key, report)
            else:
                await earlier.done.wait()
                if earlier.outcome is not None:
                    report(replace(earlier.outcome, call=call, seconds=0.0, attempts=0))
        finally:
            self._clock.tool_ended()

    async def _call_first(
        self, call: ToolCall, key: tuple[str, str], report: Callable[[ToolOutcome], None]
    ) -> None:
        shared = self._shared[key] = _Shared(anyio.Event())

        def share(outcome: ToolOutcome) -> None:
            shared.outcome = self._with_known_voice(outcome)
            report(shared.outcome)

        try:
            await self._conversation.dispatch(self.id, call, share, self.queue)
        finally:
            shared.done.set()

    def _with_known_voice(self, outcome: ToolOutcome) -> ToolOutcome:
        try:
            if outcome.voice is not None:
                self._conversation.find_voice(outcome.voice)
        except LibraryError as error:
            return replace(outcome, outcome="error", text=error.message, voice=None)
        return outcome

    def _record(self, made: Round) -> None:
        text = "".join(made.text)
        history = self._conversation.history
        if text or made.calls:
            history.append(AssistantMessage(text, tuple(made.calls), made.tokens))
        for call in made.calls:
            outcome = made.outcomes.get(call.id)
            if outcome is None:  # never started, or waited for its twin
                outcome = ToolOutcome(call, "cancelled", "The call was cancelled.")
                self.queue.put_nowait(_finished(outcome))
            history.append(ToolMessage(call, outcome.outcome, outcome.text))

    def _switch_voice(self, made: Round) -> None:
        """In the order of the calls, whichever ended first: the last one asked for is heard."""
        voices = [made.outcomes[call.id].voice for call in made.calls]
        for voice_id in filter(None, voices):
            voice = self._conversation.find_voice(voice_id)
            self._conversation.voice = voice
            self.queue.put_nowait(VoiceChanged(voice.id, voice.description))


def _finished(outcome: ToolOutcome) -> ToolCallFinished:
    return ToolCallFinished(
        outcome.call.id,
        outcome.call.name,
        outcome.outcome,
        round(outcome.seconds, 6),
        outcome.text,
        outcome.data,
    )


def _needs_space(before: str, after: str) -> bool:
    """Whether a space belongs between two sentences: not in Chinese or Japanese, and not twice."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return False
    return unicodedata.east_asian_width(before[-1]) not in "WF"


def open_calls(history: Sequence[Message]) -> list[ToolCall]:
    """The calls of a history that have no outcome: none, in a history made by turns."""
    answered = {message.call.id for message in history if isinstance(message, ToolMessage)}
    calls = [c for m in history if isinstance(m, AssistantMessage) for c in m.calls]
    return [call for call in calls if call.id not in answered]
