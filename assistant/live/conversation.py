"""A conversation by voice, as people have it: no button says whose turn it is.

    hear() --> Ears --> TurnMachine --> Answers --> events, for the door to send
               frames   what to do      the turns of one Session

The door (a socket, a telephone line) gives sound and reads events; it decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup
from typing_extensions import Self

from assistant.audio import Pcm16, Sound
from assistant.config import LiveSettings, Sampling
from assistant.live.answer import Answer
from assistant.live.answers import Admit, Answers
from assistant.live.clock import Clock, SystemClock
from assistant.live.ears import Detector, Frame
from assistant.live.events import (
    AnswerPaused,
    AnswerResumed,
    LiveEvent,
    SpeechStarted,
    SpeechStopped,
    UserTurn,
)
from assistant.live.grammar import is_complete
from assistant.live.listener import Listener
from assistant.live.machine import Action, State, TurnMachine
from assistant.live.waiting import Waiting
from assistant.queue import EventQueue
from assistant.session import Session

if TYPE_CHECKING:
    from assistant.live.lead_in import LeadIns

WAITING_EVENTS = 64


class LiveConversation:
    """Used as `async with`, and read as `async for event in conversation`, by one reader.

    `input_rate`: of what `hear` is given. `manual`: the door says when a turn is over. `answers`:
    turns are answered by themselves. `pausable`: the door can stop its sound, keep it and go on.
    `admit`: wraps the events of each turn, as a server's queue of turns does. `detector`: gives
    the probability of speech of 512 samples at 16 kHz, instead of silero VAD.

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
        self._manual = manual
        self._answering = answers
        self._clock = clock or SystemClock()
        self._detector = detector
        self._out = EventQueue[LiveEvent](WAITING_EVENTS)
        spoken_while_waiting = lead_ins if self.settings.lead_ins else None
        self._waiting = Waiting(session, self._out, self._clock, spoken_while_waiting)
        self._answers = Answers(
            session, self._out, self._clock, admit, self._waiting, self._heard_so_far
        )
        self._machine = TurnMachine(self.settings, pausable=pausable)
        self._listener = Listener(self.settings, input_rate, detector)
        self._current: Answer | None = None  # the last one that was asked for
        self._guess: Answer | None = None  # made before the turn is over
        self._last_frame_at = self._last_speech_at = self._clock.now()
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        self._tasks = self._answers.tasks = self._waiting.tasks = tasks
        tasks.start_soon(self._fill_gaps)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        assert self._tasks is not None
        # The group isn't told of an error in the block: it would wrap it in another one.
        await self._tasks.__aexit__(None, None, None)

    def close(self) -> None:
        """Stops what runs; the reader gets what waits for it, and then the end."""
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
        self._out.close()

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        while (event := await self._out.get()) is not None:
            yield event

    # What is going on.

    @property
    def audio_s(self) -> float:
        """Seconds of sound received."""
        return self._listener.received_s

    @property
    def playing(self) -> bool:
        """An answer is being made, or its sound still plays."""
        self._settle()
        return self._current is not None

    # What comes in.

    def hear(self, samples: Pcm16) -> None:
        """The next sound: int16, mono, any length."""
        for frame in self._listener.hear(samples):
            self._frame(frame)

    def commit(self) -> bool:
        """The turn is over, whatever the ears say; False where nothing was heard of it."""
        sound = self._listener.utterance.sound(whole=self._manual)
        if sound is None or (not self._manual and self._machine.state is State.LISTENING):
            return False
        self._machine.reset()
        self._turn_over(sound, answered=self._answering and not self._manual)
        return True

    def clear(self) -> None:
        """Forgets what was heard since the last turn."""
        self._drop_guess()
        self._machine.reset()
        self._listener.utterance.clear()

    def say(self, *parts: str | Sound) -> None:
        """Something typed, or recorded elsewhere: stops the answer that runs, and is answered."""
        self._stop_current()
        self._drop_guess()
        self._out.put_nowait(UserTurn(parts))
        self._follow(self._answers.start(parts))

    def respond(self, *, sampling: Sampling | None = None, tool_choice: str = "auto") -> bool:
        """Answers the history as it stands; False while an answer is being made."""
        if self._current is not None and not self._current.made.is_set():
            return False
        self._drop_guess()
        self._follow(self._answers.start(None, sampling=sampling, tool_choice=tool_choice))
        return True

    def stop(self) -> bool:
        """Stops the answer; False where none is made or played."""
        return self._stop_current(cancelled=True)

    def played(self, answer_id: str, seconds: float) -> None:
        """So much of an answer's sound, phrases in between included, has been heard."""
        answer = self._answers.find(answer_id)
        if answer is not None and not answer.stopped:
            answer.playback.reported(seconds, self._clock.now())

    def truncate(self, answer_id: str, seconds: float) -> str | None:
        """As `played`, for one that will not be heard any further; cuts the history to it.

        Gives the text that was heard; None where the answer is not known (any more).
        """
        answer = self._answers.find(answer_id)
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
        if settings is not None:
            self.settings = self._machine.settings = settings
        if manual is not None and manual != self._manual:
            self._manual = manual
            self.clear()
        if pausable is not None:
            self._machine.pausable = pausable
        self._answering = self._answering if answers is None else answers
        self._listener.configure(self.settings, input_rate)

    # What follows from it.

    def _frame(self, frame: Frame) -> None:
        now = self._last_frame_at = self._clock.now()
        if frame.speech:
            self._last_speech_at = now
        self._settle()
        if self._manual:
            self._listener.utterance.begin()
            self._listener.utterance.add(frame, pending=True)
            return
        actions = self._machine.frame(frame.speech)
        pending = self._machine.state not in (State.LISTENING, State.ANSWERING)
        self._listener.utterance.add(frame, pending=pending)
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Action.BEGIN:
                self._listener.utterance.begin()
                self._out.put_nowait(SpeechStarted(self._listener.utterance.start))
            case Action.SPECULATE:
                self._speculate()
            case Action.DROP:
                self._drop_guess()
            case Action.COMMIT:
                sound = self._listener.utterance.sound()
                assert sound is not None, "a turn has sound"
                self._turn_over(sound, answered=self._answering)
            case Action.PAUSE if self._current is not None:
                self._current.playback.pause(self._clock.now())
                self._out.put_nowait(AnswerPaused(self._current.id))
            case Action.RESUME if self._current is not None:
                self._current.playback.resume(self._clock.now())
                self._out.put_nowait(AnswerResumed(self._current.id))
            case Action.INTERRUPT:
                self._stop_current()

    def _speculate(self) -> None:
        sound = self._listener.utterance.sound()
        if self._answering and self._current is None and sound is not None:
            self._guess = self._answers.start((sound,))
            self._guess.speculated = True

    def _heard_so_far(self, answer: Answer, text: str) -> None:
        if answer is self._guess:
            self._machine.complete = is_complete(text, self.session.language)

    def _drop_guess(self) -> None:
        if self._guess is not None:
            self._answers.drop(self._guess)
            self._guess = None

    def _turn_over(self, sound: Sound, *, answered: bool) -> None:
        if self._guess is not None and (self._guess.refused or not answered):
            self._drop_guess()
        guess, self._guess = self._guess, None
        utterance = self._listener.utterance
        start, end = utterance.start, utterance.start + sound.seconds
        utterance.clear()
        if not self._manual:
            self._out.put_nowait(SpeechStopped(end))
        self._out.put_nowait(UserTurn((sound,), start, end))
        if not answered:
            self._answers.add((sound,))
        elif guess is None:
            self._follow(self._answers.start((sound,)), self._last_speech_at)
        else:
            guess.saved = self._clock.now() - guess.started_at
            self._follow(guess, self._last_speech_at)

    def _follow(self, answer: Answer, question_ended_at: float | None = None) -> None:
        self._answers.commit(answer, question_ended_at=question_ended_at)
        self._current = answer
        if self.settings.interrupt:
            self._machine.answer_began()

    def _stop_current(self, *, cancelled: bool = False) -> bool:
        self._settle()
        answer, self._current = self._current, None
        if answer is None:
            return False
        self._answers.stop(answer, "cancelled" if cancelled else "interrupted")
        self._machine.answer_over()
        return True

    def _settle(self) -> None:
        """The answer may have been played to its end meanwhile."""
        if self._current is not None and self._current.over(self._clock.now()):
            self._current = None
            self._machine.answer_over()

    async def _fill_gaps(self) -> None:
        """A line that goes dead in the middle of a turn: what doesn't come is silence."""
        while True:
            await self._clock.sleep_until(self._last_frame_at + GAP_S)
            now = self._clock.now()
            if now < self._last_frame_at + GAP_S:
                continue
            self._last_frame_at = now
            if not self._manual and self._machine.state in UNFINISHED:
                for frame in self._listener.silence(GAP_S):
                    self._frame(frame)


GAP_S = 0.5
UNFINISHED = (State.ONSET, State.SPEAKING, State.MAYBE_ENDED, State.INTERRUPTED)
