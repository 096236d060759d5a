"""A live conversation: audio in, live events out; turns are taken by themselves.

    push_audio --> VoiceActivityDetector --> TurnController --> ResponseRunner --> live events
                   frames                    user turns         turns of one Session

The caller (a realtime socket, a telephone call) pushes audio and sends what the events say; it
decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import TracebackType

import anyio
import numpy as np
from anyio.abc import TaskGroup, TaskStatus
from typing_extensions import Self, Unpack

from assistant.audio.samples import Audio, Pcm16
from assistant.concurrency import open_tasks
from assistant.config import LiveSettings
from assistant.live.clock import Clock, SystemClock
from assistant.live.events import LiveEvent
from assistant.live.grammar import is_complete
from assistant.live.lead_ins import LeadInPlayer, LeadIns
from assistant.live.response import Response
from assistant.live.response_runner import Admit, ResponseRunner
from assistant.live.turn_audio import TurnAudio
from assistant.live.turn_controller import TurnController
from assistant.live.vad.frames import FRAME_S, Frame, SpeechDetector, VoiceActivityDetector
from assistant.live.vad.silero import FRAME_SAMPLES
from assistant.session import Session
from assistant.turn.event_queue import EventQueue
from assistant.turn.options import TurnOptions

MAX_EVENTS = 64
"""Events that wait for the reader; responses are generated no further if there are more."""
GAP_S = 0.5
"""After so many seconds without audio, silence is fed to the turn detector."""


class LiveConversation:
    """Used as `async with`, and read as `async for event in conversation`, by one reader.

    `input_rate`: the sample rate of what `push_audio` takes, in Hz. `manual`: the caller says when
    a user turn is over. `auto_respond`: user turns get a response by themselves. `pausable`: the
    caller can pause its audio, keep it and resume it. `admit`: wraps the events of each turn, as a
    server's turn queue does. `lead_ins`: what is said while a slow tool runs. `detector`: judges
    frames instead of Silero VAD.

    All methods are for the event loop's thread and never wait.
    """

    def __init__(
        self,
        session: Session,
        settings: LiveSettings | None = None,
        *,
        input_rate: int = 24_000,
        manual: bool = False,
        auto_respond: bool = True,
        pausable: bool = False,
        clock: Clock | None = None,
        admit: Admit = lambda turn: turn,
        lead_ins: LeadIns | None = None,
        detector: SpeechDetector | None = None,
    ) -> None:
        """Raises AudioError if the sample rate is not supported."""
        self.session = session
        self.settings = settings or LiveSettings()
        self._clock = clock or SystemClock()
        self._out = EventQueue[LiveEvent](MAX_EVENTS)
        phrases = lead_ins if self.settings.lead_ins else None
        self._lead_ins = LeadInPlayer(session, self._out, self._clock, phrases)
        self._runner = ResponseRunner(
            session, self._out, self._clock, admit, self._lead_ins, self._on_transcript
        )
        self._vad = VoiceActivityDetector(self.settings, input_rate, detector)
        self._input_rate = input_rate
        self._received_s = 0.0
        self._audio = TurnAudio(self.settings.prefix_ms / 1000, self.settings.max_user_turn_s)
        self._turns = TurnController(
            self.settings, self._audio, self._runner, self._out, self._clock
        )
        self._stack = AsyncExitStack()
        self._tasks: TaskGroup
        self.configure(manual=manual, auto_respond=auto_respond, pausable=pausable)

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(open_tasks(cancel=False))
        await group.start(self._run)
        return self

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        """Holds the tasks in a group of their own, so that `close` stops them, not the reader."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._runner.open(tasks)
                self._lead_ins.open(tasks)
                tasks.start_soon(self._fill_gaps)
                task_status.started()
        finally:
            self._out.close()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        await self._stack.aclose()

    def close(self) -> None:
        """Stops everything; the reader gets the events that wait, and then the end."""
        self._tasks.cancel_scope.cancel()

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        while (event := await self._out.get()) is not None:
            yield event

    @property
    def response_id(self) -> str:
        """The id of the response that is generated or played; empty if there is none."""
        return self._turns.response_id

    @property
    def playing(self) -> bool:
        """True while a response is generated, or its audio still plays."""
        return self._turns.playing

    def push_audio(self, samples: Pcm16) -> None:
        """Takes the next audio: int16 mono at `input_rate`, shape (n,), any length."""
        self._received_s += len(samples) / self._input_rate
        for frame in self._vad.push(samples):
            self._turns.frame(frame)

    def commit(self) -> bool:
        """Ends the user turn, whatever the turn detector says; False if there is no audio of it.

        In manual mode it gets no response by itself: see `respond`.
        """
        return self._turns.commit()

    def clear(self) -> None:
        """Discards the audio since the last user turn."""
        self._turns.clear()

    def say(self, *parts: str | Audio) -> None:
        """Adds a user turn that was typed or recorded elsewhere; it interrupts, too."""
        self._turns.say(parts)

    def respond(self, *, context: object = None, **options: Unpack[TurnOptions]) -> bool:
        """Responds to the history as it stands; False while a response is being generated.

        `context` comes back in this response's ResponseStarted.
        """
        return self._turns.respond(options, context)

    def stop(self) -> bool:
        """Stops the response; False if none is generated or played."""
        return self._turns.stop(cancelled=True)

    def edit(self, change: Callable[[], None]) -> None:
        """Calls `change` once no turn runs; turns that begin later see what it did.

        It may change the session and its history, and must not raise.
        """
        self._turns.edit(change)

    def played(self, response_id: str, seconds: float) -> None:
        """Reports how much of a response's audio, lead-ins included, was played by now."""
        response = self._runner.find(response_id)
        if response is not None and not response.stopped:
            response.playback.reported(seconds, self._clock.now())

    def truncate(self, response_id: str, seconds: float) -> str | None:
        """Reports what was played of a response that is not played any further.

        The history is cut to it. Returns the text that was played, or None if the response is not
        known (any more).
        """
        response = self._runner.find(response_id)
        return None if response is None else self._runner.truncate(response, seconds)

    def configure(
        self,
        settings: LiveSettings | None = None,
        *,
        manual: bool | None = None,
        auto_respond: bool | None = None,
        pausable: bool | None = None,
        input_rate: int | None = None,
    ) -> None:
        """Changes what is given, from now on."""
        turns = self._turns
        if settings is not None:
            self.settings = turns.detector.settings = self._vad.settings = settings
            self._audio.configure(settings.prefix_ms / 1000, settings.max_user_turn_s)
        if manual is not None and manual != turns.manual:
            turns.clear()
            turns.manual = manual
        if pausable is not None:
            turns.detector.pausable = pausable
        if auto_respond is not None:
            turns.auto_respond = auto_respond
        if input_rate is not None and input_rate != self._input_rate:
            self._input_rate = input_rate
            self._vad.reset(input_rate)

    def _on_transcript(self, response: Response, text: str) -> None:
        self._turns.sentence_so_far(response, is_complete(text, self.session.language))

    async def _fill_gaps(self) -> None:
        """Feeds silence if the audio stops in the middle of a user turn."""
        while True:
            await self._clock.sleep_until(self._turns.last_frame_at + GAP_S)
            if self._clock.now() < self._turns.last_frame_at + GAP_S:
                continue
            self._turns.last_frame_at = self._clock.now()
            if self._turns.unfinished:
                for number in range(round(GAP_S / FRAME_S)):
                    start = self._received_s + number * FRAME_S
                    self._turns.frame(Frame(start, False, np.zeros(FRAME_SAMPLES, np.int16)))
