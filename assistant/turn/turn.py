"""The turn loop: rounds of the engine and of the tools that it calls.

    history --> engine.stream --> text, audio --------------------------> events
      ^            |                                                        ^
      |            +--> calls --> dispatch, all at the same time --> outcomes
      +---- the assistant's own words and calls, then the outcomes --+

A round is one step of the engine and the tools that it called. Rounds follow one another until the
engine responds without a call; after `max_tool_rounds` it is offered no tools any more. Whatever
ends a round (a response, a failure, a cancellation), its words, its calls and one outcome for each
call are appended to the history together, so that no call stays open. The one exception: a call of
a tool that the client runs itself ends the turn, and is open until the client's result arrives.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Literal

import anyio
from anyio.abc import TaskGroup

from assistant.audio.voice import Voice
from assistant.engines.base import Engine, EngineOutput, EngineState, Finish, Speech
from assistant.errors import AssistantError, AudioError, EngineError, LibraryError, UnsupportedError
from assistant.events import (
    AudioChunk,
    Event,
    Failed,
    TextDelta,
    ToolCallStarted,
    ToolProgress,
    Transcript,
    TurnEnded,
    TurnStarted,
    Usage,
    VoiceChanged,
)
from assistant.history import History
from assistant.messages import ToolCall, UserMessage
from assistant.plugins import Caller, Dispatcher, ToolOutcome
from assistant.turn.event_queue import EventQueue
from assistant.turn.latency import LatencyMeter
from assistant.turn.options import TurnSettings
from assistant.turn.tool_round import ToolRound, finished
from assistant.turn.truncation import SpokenTurn

logger = logging.getLogger(__name__)

Events = EventQueue[Event]
Reason = Literal["completed", "cancelled", "failed"]
Fault = Literal["input", "engine"]


class Turn:
    """One turn: from what the user said to the end of the response. Runs once.

    `state` is what the engine keeps of the conversation. `voice` is the one to begin with; a tool
    may switch it to another one, which `find_voice` returns by its id or raises LibraryError for.
    """

    def __init__(
        self,
        turn_id: str,
        settings: TurnSettings,
        *,
        engine: Engine,
        state: EngineState,
        history: History,
        voice: Voice,
        find_voice: Callable[[str], Voice],
        dispatcher: Dispatcher,
        caller: Caller,
    ) -> None:
        self.id = turn_id
        self.voice = voice
        self.voice_switched = False
        self.queue = Events()
        self.finished = anyio.Event()
        self.scope = anyio.CancelScope()
        self._engine = engine
        self._state = state
        self._settings = settings
        self._history = history
        self._find_voice = find_voice
        self._dispatcher = dispatcher
        self._caller = replace(caller, on_progress=self._progress)
        self._latency = LatencyMeter()
        self._text: list[str] = []
        self._usage = Usage()
        self._last = ToolRound()
        self.spoken = SpokenTurn(turn_id)
        self.message_ids: list[str] = []  # of the messages that it appended

    async def run(self, message: UserMessage | None) -> None:
        """Runs the turn; without a message it responds to the history as it stands.

        Never raises: what went wrong is in the events, and `finished` is set at the end.
        """
        reason: Reason = "cancelled"
        try:
            with self.scope:
                self.queue.put_nowait(TurnStarted(self.id))
                if message is not None:
                    self._history.append(message)
                    self.message_ids.append(message.id)
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
            self._latency.audio_seconds,
            self._latency.latency(),
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
        limit = self._settings.max_tool_rounds
        for number in range(limit + 1):
            round_ = await self._round(with_tools=number < limit, first=number == 0)
            self._switch_voice(round_)
            if round_.for_client or not round_.calls:
                self._last = round_
                return
        raise EngineError(f"no answer after {limit} rounds of tool calls")

    async def _round(self, *, with_tools: bool, first: bool) -> ToolRound:
        request = self._settings.request(
            self._history, self.voice, with_tools=with_tools, first=first
        )
        offered = frozenset(tool.name for tool in request.tools)
        round_ = ToolRound(offered, self._latency.audio_seconds)
        failure: Exception | None = None
        complete = False
        try:
            # Tools start while the engine still generates; the round ends when the last tool has.
            async with anyio.create_task_group() as tools:
                try:
                    await self._read(self._engine.stream(request, self._state), round_, tools)
                except Exception as error:  # noqa: BLE001 - raised below, outside of the group
                    failure = error
                    tools.cancel_scope.cancel()
            complete = failure is None
        finally:
            self._record(round_, complete=complete)
        if failure is not None:
            raise failure
        return round_

    async def _read(
        self, outputs: AsyncGenerator[EngineOutput, None], round_: ToolRound, tools: TaskGroup
    ) -> None:
        async with aclosing(outputs):
            async for output in outputs:
                match output:
                    case TextDelta():
                        await self._say(output.text, round_)
                    case Speech():
                        start = self._latency.audio(output.samples)
                        await self.queue.put(AudioChunk(start, output.samples, output.codes))
                    case ToolCall():
                        self._called(output, round_, tools)
                    case Transcript():
                        self._transcribed(output)
                    case Finish():
                        self._finish(output, round_)

    def _called(self, call: ToolCall, round_: ToolRound, tools: TaskGroup) -> None:
        round_.calls.append(call)
        caller = replace(self._caller, voice=self.voice, offered=round_.offered)
        if self._dispatcher.runs_at_client(call, caller):
            round_.for_client.append(call)
            return
        self.queue.put_nowait(ToolCallStarted(call.id, call.name, call.arguments))
        tools.start_soon(self._call, call, caller, round_)

    def _finish(self, finish: Finish, round_: ToolRound) -> None:
        round_.finish = finish
        self._usage = Usage(
            self._usage.prompt_tokens + finish.prompt_tokens,
            self._usage.completion_tokens + len(finish.tokens),
        )

    async def _say(self, text: str, round_: ToolRound) -> None:
        spoken = text
        if not round_.pieces and self._text and _needs_space(self._text[-1], text):
            spoken = " " + text  # between the lead-in and the response, for people who read both
        round_.pieces.append((text, self._latency.audio_seconds))
        self._text.append(spoken)
        self._latency.text()
        await self.queue.put(TextDelta(spoken))

    def _transcribed(self, transcript: Transcript) -> None:
        self._history.transcribe(transcript.text)
        self.queue.put_nowait(transcript)

    def _progress(self, call: ToolCall, text: str) -> None:
        self.queue.put_nowait(ToolProgress(call.id, call.name, text))

    async def _call(self, call: ToolCall, caller: Caller, round_: ToolRound) -> None:
        def report(outcome: ToolOutcome) -> None:
            round_.outcomes[call.id] = checked = self._with_known_voice(outcome)
            self.queue.put_nowait(finished(checked))

        self._latency.tool_started()
        try:
            await self._dispatcher.run(call, caller, report)
        finally:
            self._latency.tool_ended()

    def _with_known_voice(self, outcome: ToolOutcome) -> ToolOutcome:
        try:
            if outcome.voice is not None:
                self._find_voice(outcome.voice)
        except LibraryError as error:
            return replace(outcome, outcome="error", text=error.message, voice=None)
        return outcome

    def _record(self, round_: ToolRound, *, complete: bool) -> None:
        end = self._latency.audio_seconds
        for outcome in round_.record(self._history, self.spoken, end, complete=complete):
            self.queue.put_nowait(finished(outcome))
        self.message_ids.extend(message.id for message in round_.messages)

    def _switch_voice(self, round_: ToolRound) -> None:
        """Switches to the voice of the last call that has one, whichever call ended last."""
        outcomes = [round_.outcomes[call.id] for call in round_.calls if call.id in round_.outcomes]
        voices = [outcome.voice for outcome in outcomes]
        for voice_id in filter(None, voices):
            self.voice = voice = self._find_voice(voice_id)
            self.voice_switched = True
            self.queue.put_nowait(VoiceChanged(voice.id, voice.description))


def _needs_space(before: str, after: str) -> bool:
    """Returns whether a space belongs between two sentences: not in Chinese or Japanese, and not
    twice.
    """
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return False
    return unicodedata.east_asian_width(before[-1]) not in "WF"
