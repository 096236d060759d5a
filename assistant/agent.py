"""The turn loop.

    history --> engine.stream --> text, audio --------------------------> events
      ^            |                                                        ^
      |            +--> calls --> dispatch, all at the same time --> outcomes
      +---- the assistant's own words and calls, then the outcomes --+

One round is one step of the engine and the tools that it called. Rounds follow one another until
the engine answers without a call; after `max_tool_rounds` it is offered no tools any more. Whatever
ends a round (an answer, a failure, a cancellation), its words, its calls and one outcome for each
call go into the history together, so no call is ever left open there. The one exception: a call
of a tool that the client runs itself ends the turn, and is open until the client's result is in.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal, Protocol

import anyio
from anyio.abc import TaskGroup

from assistant.audio import Voice
from assistant.clock import TurnClock
from assistant.engines.base import Engine, EngineOutput, EngineRequest, Finish, Speech
from assistant.errors import AssistantError, AudioError, EngineError, LibraryError, UnsupportedError
from assistant.events import (
    AudioChunk,
    Event,
    Failed,
    TextDelta,
    ToolCallStarted,
    Transcript,
    TurnEnded,
    TurnStarted,
    Usage,
    VoiceChanged,
)
from assistant.heard import Spoken
from assistant.messages import Message, ToolCall, UserMessage
from assistant.plugins import ToolOutcome
from assistant.queue import EventQueue
from assistant.round import Round, finished
from assistant.shared_calls import Key, Report, SharedCalls

logger = logging.getLogger(__name__)

Events = EventQueue[Event]
Reason = Literal["completed", "cancelled", "failed"]
Fault = Literal["input", "engine"]


class Conversation(Protocol):
    """What a turn needs of its session."""

    history: list[Message]
    voice: Voice
    max_tool_rounds: int

    def request(self, *, with_tools: bool, first: bool) -> EngineRequest: ...
    def runs_at_client(self, call: ToolCall) -> bool: ...
    async def dispatch(
        self, turn_id: str, call: ToolCall, report: Report, queue: Events
    ) -> None: ...
    def find_voice(self, voice_id: str) -> Voice: ...


class Turn:
    """One turn: from what the user said to the end of the answer. Runs once."""

    def __init__(
        self,
        turn_id: str,
        engine: Engine,
        state: Any,
        conversation: Conversation,
        known: Mapping[Key, ToolOutcome] | None = None,
    ) -> None:
        """`known`: outcomes of calls that need not run again, by their canonical form."""
        self.id = turn_id
        self.queue = Events()
        self.finished = anyio.Event()
        self.scope = anyio.CancelScope()
        self._engine = engine
        self._state = state
        self._conversation = conversation
        self._clock = TurnClock()
        self._text: list[str] = []
        self._usage = Usage()
        self._last = Round(with_tools=False)
        self.spoken = Spoken(turn_id)
        self.recorded = 0  # messages that it put into the history, all of them at the end
        self.calls = SharedCalls(known)

    async def run(self, message: UserMessage | None) -> None:
        """Without a message the turn answers the history as it stands. Never raises; what went
        wrong is in the events, and `finished` is set at the end.
        """
        reason: Reason = "cancelled"
        try:
            with self.scope:
                self.queue.put_nowait(TurnStarted(self.id))
                if message is not None:
                    self._conversation.history.append(message)
                    self.recorded += 1
                reason = await self._run_to_end()
            if self.scope.cancelled_caught and anyio.current_time() >= self.scope.deadline:
                self.queue.put_nowait(Failed("The turn took longer than it may (max_turn_s)."))
                reason = "failed"
        finally:
            self.queue.put_nowait(self._ended(reason))
            self.queue.close()
            self.finished.set()

    def _ended(self, reason: Reason) -> TurnEnded:
        return TurnEnded(
            reason,
            "".join(self._text),
            self._clock.audio_seconds,
            self._clock.latency(),
            calls=tuple(self._last.for_client),
            cut_off=self._last.finish.reason == "length",
            usage=self._usage,
        )

    async def _run_to_end(self) -> Reason:
        try:
            await self._rounds()
        except AssistantError as error:
            fault: Fault = "input" if isinstance(error, AudioError | UnsupportedError) else "engine"
            self.queue.put_nowait(Failed(str(error), fault))
            return "failed"
        except Exception:
            logger.exception("The engine %s failed", self._engine.name)
            self.queue.put_nowait(Failed(f"The engine {self._engine.name} failed unexpectedly."))
            return "failed"
        return "completed"

    async def _rounds(self) -> None:
        limit = self._conversation.max_tool_rounds
        for number in range(limit + 1):
            made = await self._round(with_tools=number < limit, first=number == 0)
            self._switch_voice(made)
            if made.for_client or not made.calls:
                self._last = made
                return
        raise EngineError(f"no answer after {limit} rounds of tool calls")

    async def _round(self, *, with_tools: bool, first: bool) -> Round:
        made = Round(with_tools, self._clock.audio_seconds)
        request = self._conversation.request(with_tools=with_tools, first=first)
        failure: Exception | None = None
        complete = False
        try:
            # Tools start while the engine still speaks; the round ends when the last one has.
            async with anyio.create_task_group() as tools:
                try:
                    await self._read(self._engine.stream(request, self._state), made, tools)
                except Exception as error:  # noqa: BLE001 - taken out of the group, raised below
                    failure = error
                    tools.cancel_scope.cancel()
            complete = failure is None
        finally:
            self._record(made, complete=complete)
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
                        await self.queue.put(AudioChunk(start, output.samples, output.codes))
                    case ToolCall():
                        self._called(output, made, tools)
                    case Transcript():
                        self._heard(output)
                    case Finish():
                        self._finish(output, made)

    def _called(self, call: ToolCall, made: Round, tools: TaskGroup) -> None:
        made.calls.append(call)
        if made.with_tools and self._conversation.runs_at_client(call):
            made.for_client.append(call)
            return
        self.queue.put_nowait(ToolCallStarted(call.id, call.name, call.arguments))
        tools.start_soon(self._call, call, made)

    def _finish(self, finish: Finish, made: Round) -> None:
        made.finish = finish
        self._usage = Usage(
            self._usage.prompt_tokens + finish.prompt_tokens,
            self._usage.completion_tokens + len(finish.tokens),
        )

    async def _say(self, text: str, made: Round) -> None:
        spoken = text
        if not made.pieces and self._text and _needs_space(self._text[-1], text):
            spoken = " " + text  # between the lead-in and the answer, for who reads both
        made.pieces.append((text, self._clock.audio_seconds))
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
        def report(outcome: ToolOutcome) -> None:
            made.outcomes[call.id] = outcome
            self.queue.put_nowait(finished(outcome))

        self._clock.tool_started()
        try:
            if made.with_tools:
                await self.calls.run(call, self._dispatch, report)
            else:
                report(ToolOutcome(call, "denied", "No more tools can be called in this turn."))
        finally:
            self._clock.tool_ended()

    async def _dispatch(self, call: ToolCall, report: Report) -> None:
        def checked(outcome: ToolOutcome) -> None:
            report(self._with_known_voice(outcome))

        await self._conversation.dispatch(self.id, call, checked, self.queue)

    def _with_known_voice(self, outcome: ToolOutcome) -> ToolOutcome:
        try:
            if outcome.voice is not None:
                self._conversation.find_voice(outcome.voice)
        except LibraryError as error:
            return replace(outcome, outcome="error", text=error.message, voice=None)
        return outcome

    def _record(self, made: Round, *, complete: bool) -> None:
        history, end = self._conversation.history, self._clock.audio_seconds
        before = len(history)
        for outcome in made.record(history, self.spoken, end, complete=complete):
            self.queue.put_nowait(finished(outcome))
        self.recorded += len(history) - before

    def _switch_voice(self, made: Round) -> None:
        """In the order of the calls, whichever ended first: the last one asked for is heard."""
        outcomes = [made.outcomes[call.id] for call in made.calls if call.id in made.outcomes]
        voices = [outcome.voice for outcome in outcomes]
        for voice_id in filter(None, voices):
            voice = self._conversation.find_voice(voice_id)
            self._conversation.voice = voice
            self.queue.put_nowait(VoiceChanged(voice.id, voice.description))


def _needs_space(before: str, after: str) -> bool:
    """Whether a space belongs between two sentences: not in Chinese or Japanese, and not twice."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return False
    return unicodedata.east_asian_width(before[-1]) not in "WF"
