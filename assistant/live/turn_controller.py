"""Whose turn it is, and what follows from it.

frame --> TurnDetector --> begin, speculate ... --> ResponseRunner, events
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from assistant.audio.samples import Audio
from assistant.config import LiveSettings
from assistant.live.clock import Clock
from assistant.live.events import (
    LiveEvent,
    ResponsePaused,
    ResponseResumed,
    SpeechStarted,
    SpeechStopped,
    UserTurn,
)
from assistant.live.response import Response
from assistant.live.response_runner import ResponseRunner
from assistant.live.turn_detector import Action, State, TurnDetector
from assistant.live.utterance import Utterance
from assistant.live.vad.frames import Frame
from assistant.messages import UserMessage
from assistant.turn.event_queue import EventQueue
from assistant.turn.options import TurnOptions

UNFINISHED = (State.ONSET, State.SPEAKING, State.MAYBE_ENDED, State.INTERRUPTED)
"""Something is being said, as far as the ears can tell."""


class TurnController:
    """`manual`: somebody else says when a turn is over. `answering`: turns are answered."""

    def __init__(
        self,
        settings: LiveSettings,
        utterance: Utterance,
        answers: ResponseRunner,
        out: EventQueue[LiveEvent],
        clock: Clock,
    ) -> None:
        self.machine = TurnDetector(settings)
        self.manual = False
        self.answering = True
        self.last_frame_at = self._last_speech_at = clock.now()
        self._utterance = utterance
        self._answers = answers
        self._out = out
        self._clock = clock
        self._current: Response | None = None  # the last one that was asked for
        self._guess: Response | None = None  # made before the turn is over

    @property
    def playing(self) -> bool:
        self._settle()
        return self._current is not None

    @property
    def unfinished(self) -> bool:
        return not self.manual and self.machine.state in UNFINISHED

    def frame(self, frame: Frame) -> None:
        """The next 32 ms of sound."""
        now = self.last_frame_at = self._clock.now()
        if frame.speech:
            self._last_speech_at = now
        self._settle()
        if self.manual:
            self._utterance.begin()
            self._utterance.add(frame, pending=True)
            return
        actions = self.machine.frame(frame.speech)
        pending = self.machine.state not in (State.LISTENING, State.ANSWERING)
        self._utterance.add(frame, pending=pending)
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Action.BEGIN:
                self._utterance.begin()
                self._out.put_nowait(SpeechStarted(self._utterance.start))
            case Action.SPECULATE:
                self._speculate()
            case Action.DROP:
                self._drop_guess()
            case Action.COMMIT:
                sound = self._utterance.sound()
                assert sound is not None, "a turn has sound"
                self._turn_over(sound, answered=self.answering)
            case Action.PAUSE if self._current is not None:
                self._current.playback.pause(self._clock.now())
                self._out.put_nowait(ResponsePaused(self._current.id))
            case Action.RESUME:
                self._resume()
            case Action.INTERRUPT:
                self.stop()

    def commit(self) -> bool:
        """The turn is over, whatever the ears say; False where nothing was heard of it."""
        sound = self._utterance.sound(whole=self.manual)
        if sound is None or not (self.manual or self.unfinished):
            return False
        if self.machine.state is State.INTERRUPTED:
            self.stop()
        self.machine.reset()
        self._turn_over(sound, answered=self.answering and not self.manual)
        return True

    def clear(self) -> None:
        """Forgets what was heard since the last turn."""
        self._drop_guess()
        self._resume()
        self.machine.reset()
        self._utterance.clear()

    def say(self, parts: tuple[str | Audio, ...]) -> None:
        self.stop()
        self._drop_guess()
        answer = self._answers.start(parts)
        self._out.put_nowait(UserTurn(parts, message_id=answer.message_id))
        self._follow(answer)

    def respond(self, options: TurnOptions, context: object) -> bool:
        if self._current is not None and not self._current.made.is_set():
            return False
        self._drop_guess()
        self._follow(self._answers.start(None, options=options, context=context))
        return True

    @property
    def response_id(self) -> str:
        return self._current.id if self._current else ""

    def edit(self, change: Callable[[], None]) -> None:
        """What is guessed rests on what was before."""
        self._drop_guess()
        self._answers.edit(change)

    def stop(self, *, cancelled: bool = False) -> bool:
        """Stops the answer that is made or played; False where there is none."""
        self._settle()
        answer, self._current = self._current, None
        if answer is None:
            return False
        self._answers.stop(answer, "cancelled" if cancelled else "interrupted")
        self.machine.answer_over()
        return True

    def heard_so_far(self, answer: Response, complete: bool | None) -> None:
        """Whether what was said so far may be all of it."""
        if answer is self._guess:
            self.machine.complete = complete

    def _speculate(self) -> None:
        sound = self._utterance.sound()
        if self.answering and self._current is None and sound is not None:
            self._guess = self._answers.start((sound,))
            self._guess.speculated = True

    def _drop_guess(self) -> None:
        if self._guess is not None:
            self._answers.drop(self._guess)
            self._guess = None

    def _turn_over(self, sound: Audio, *, answered: bool) -> None:
        if self._guess is not None and (self._guess.refused or not answered):
            self._drop_guess()
        guess, self._guess = self._guess, None
        if guess is not None and guess.parts:
            sound = cast(Audio, guess.parts[0])  # what it answers
        start = self._utterance.start
        end = start + sound.seconds
        self._utterance.clear()
        if not self.manual:
            self._out.put_nowait(SpeechStopped(end))
        if not answered:
            message = UserMessage((sound,))
            self._out.put_nowait(UserTurn((sound,), start, end, message.id))
            self._answers.add(message)
            return
        if guess is not None:
            guess.saved = self._clock.now() - guess.started_at
        answer = guess or self._answers.start((sound,))
        self._out.put_nowait(UserTurn((sound,), start, end, answer.message_id))
        self._follow(answer, self._last_speech_at)

    def _follow(self, answer: Response, question_ended_at: float | None = None) -> None:
        self._answers.commit(answer, question_ended_at=question_ended_at)
        self._current = answer
        if self.machine.settings.interrupt:
            self.machine.answer_began()

    def _resume(self) -> None:
        if self._current is not None and self._current.playback.paused:
            self._current.playback.resume(self._clock.now())
            self._out.put_nowait(ResponseResumed(self._current.id))

    def _settle(self) -> None:
        """The answer may have been played to its end meanwhile."""
        if self._current is not None and self._current.over(self._clock.now()):
            self._current = None
            self.machine.answer_over()
