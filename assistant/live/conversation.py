"""A conversation by voice, as people have it: no button says whose turn it is.

    hear() --> Listener --> TurnController --> ResponseRunner --> events, for the door to send
               frames       who speaks     the turns of one Session

The door (a socket, a telephone line) gives sound and reads events; it decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import TracebackType

import anyio
from anyio.abc import TaskGroup, TaskStatus
from typing_extensions import Self, Unpack

from assistant.audio.samples import Audio, Pcm16
from assistant.config import LiveSettings
from assistant.live.clock import Clock, SystemClock
from assistant.live.events import LiveEvent
from assistant.live.grammar import is_complete
from assistant.live.lead_ins import LeadIns
from assistant.live.listener import Listener
from assistant.live.response import Response
from assistant.live.response_runner import Admit, ResponseRunner
from assistant.live.turn_controller import TurnController
from assistant.live.vad.frames import Detector
from assistant.live.waiting import Waiting
from assistant.session import Session
from assistant.turn.event_queue import EventQueue
from assistant.turn.options import TurnOptions

WAITING_EVENTS = 64
GAP_S = 0.5
"""So long without sound is silence, though the line be dead."""


class LiveConversation:
    """Used as `async with`, and read as `async for event in conversation`, by one reader.

    `input_rate`: of what `hear` is given. `manual`: the door says when a turn is over. `answers`:
    turns are answered by themselves. `pausable`: the door can stop its sound, keep it and go on.
    `admit`: wraps the events of each turn, as a server's queue of turns does. `lead_ins`: what is
    said while a slow tool runs. `detector`: gives the probability of speech of 512 samples at
    16 kHz, instead of silero VAD.

    All methods are for the event loop's thread and never wait.
    """

    def __init__(
        self,
        session: Session,
        settings: LiveSettings | None = None,
        *,
        input_rate: int = 24_000,
        manual: bool = False,
        answers: bool = True,
        pausable: bool = False,
        clock: Clock | None = None,
        admit: Admit = lambda turn: turn,
        lead_ins: LeadIns | None = None,
        detector: Detector | None = None,
    ) -> None:
        self.session = session
        self.settings = settings or LiveSettings()
        self._clock = clock or SystemClock()
        self._out = EventQueue[LiveEvent](WAITING_EVENTS)
        phrases = lead_ins if self.settings.lead_ins else None
        self._waiting = Waiting(session, self._out, self._clock, phrases)
        self._answers = ResponseRunner(
            session, self._out, self._clock, admit, self._waiting, self._heard_so_far
        )
        self._listener = Listener(self.settings, input_rate, detector)
        self._turns = TurnController(
            self.settings, self._listener.utterance, self._answers, self._out, self._clock
        )
        self._group: TaskGroup
        self._tasks: TaskGroup
        self.configure(manual=manual, answers=answers, pausable=pausable)

    async def __aenter__(self) -> Self:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        await self._group.start(self._run)
        return self

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        """The tasks have a group of their own, so that `close` stops them and not the reader."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = self._answers.tasks = self._waiting.tasks = tasks
                tasks.start_soon(self._fill_gaps)
                tasks.start_soon(self._waiting.prepare)
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
        # The group isn't told of an error in the block: it would wrap it in another one.
        await self._group.__aexit__(None, None, None)

    def close(self) -> None:
        """Stops what runs; the reader gets what waits for it, and then the end."""
        self._tasks.cancel_scope.cancel()

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        while (event := await self._out.get()) is not None:
            yield event

    @property
    def audio_s(self) -> float:
        """Seconds of sound received."""
        return self._listener.received_s

    @property
    def response_id(self) -> str:
        """Of the answer that was asked for last and is still made or played; else empty."""
        return self._turns.response_id

    @property
    def playing(self) -> bool:
        """An answer is being made, or its sound still plays."""
        return self._turns.playing

    def push_audio(self, samples: Pcm16) -> None:
        """The next sound: int16, mono, any length."""
        for frame in self._listener.hear(samples):
            self._turns.frame(frame)

    def commit(self) -> bool:
        """The turn is over, whatever the ears say; False where nothing was heard of it.

        In manual mode it is not answered by itself: see `respond`.
        """
        return self._turns.commit()

    def clear(self) -> None:
        """Forgets what was heard since the last turn."""
        self._turns.clear()

    def say(self, *parts: str | Audio) -> None:
        """Something typed, or recorded elsewhere: stops the answer that runs, and is answered."""
        self._turns.say(parts)

    def respond(self, *, context: object = None, **options: Unpack[TurnOptions]) -> bool:
        """Responds to the history as it stands; False while a response is being generated.

        `context` comes back in this response's ResponseStarted.
        """
        return self._turns.respond(options, context)

    def stop(self) -> bool:
        """Stops the answer; False where none is made or played."""
        return self._turns.stop(cancelled=True)

    def edit(self, change: Callable[[], None]) -> None:
        """Calls `change`, which changes the session or its history and never raises, once no turn
        runs; turns that begin later see it.
        """
        self._turns.edit(change)

    def played(self, response_id: str, seconds: float) -> None:
        """So much of an answer's sound, phrases in between included, has been heard."""
        answer = self._answers.find(response_id)
        if answer is not None and not answer.stopped:
            answer.playback.reported(seconds, self._clock.now())

    def truncate(self, response_id: str, seconds: float) -> str | None:
        """As `played`, for one that will not be heard any further; cuts the history to it.

        Gives the text that was heard; None where the answer is not known (any more).
        """
        answer = self._answers.find(response_id)
        return None if answer is None else self._answers.truncate(answer, seconds)

    def configure(
        self,
        settings: LiveSettings | None = None,
        *,
        manual: bool | None = None,
        answers: bool | None = None,
        pausable: bool | None = None,
        input_rate: int | None = None,
    ) -> None:
        """Changes what is given, from here on."""
        turns = self._turns
        if settings is not None:
            self.settings = turns.machine.settings = settings
        if manual is not None and manual != turns.manual:
            turns.clear()
            turns.manual = manual
        if pausable is not None:
            turns.machine.pausable = pausable
        turns.answering = turns.answering if answers is None else answers
        self._listener.configure(self.settings, input_rate)

    def _heard_so_far(self, answer: Response, text: str) -> None:
        self._turns.heard_so_far(answer, is_complete(text, self.session.language))

    async def _fill_gaps(self) -> None:
        """A line that goes dead in the middle of a turn: what doesn't come is silence."""
        while True:
            await self._clock.sleep_until(self._turns.last_frame_at + GAP_S)
            if self._clock.now() < self._turns.last_frame_at + GAP_S:
                continue
            self._turns.last_frame_at = self._clock.now()
            if self._turns.unfinished:
                for frame in self._listener.silence(GAP_S):
                    self._turns.frame(frame)
