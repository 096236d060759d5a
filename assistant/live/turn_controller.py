"""Turn control: follows the turn detector, and starts, stops and interrupts responses.

frame --> TurnDetector --> begin, speculate, commit ... --> ResponseRunner and live events
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
from assistant.live.turn_audio import TurnAudio
from assistant.live.turn_detector import Action, State, TurnDetector
from assistant.live.vad.frames import Frame
from assistant.messages import UserMessage
from assistant.turn.event_queue import EventQueue
from assistant.turn.options import TurnOptions

UNFINISHED = (State.ONSET, State.SPEAKING, State.ENDPOINTING, State.INTERRUPTED)
"""States in which a user turn may be under way."""


class TurnController:
    """`manual`: somebody else says when a turn is over. `auto_respond`: turns are responds."""

    def __init__(
        self,
        settings: LiveSettings,
        audio: TurnAudio,
        runner: ResponseRunner,
        out: EventQueue[LiveEvent],
        clock: Clock,
    ) -> None:
        self.detector = TurnDetector(settings)
        self.manual = False
        self.auto_respond = True
        self.last_frame_at = self._last_speech_at = clock.now()
        self._audio = audio
        self._runner = runner
        self._out = out
        self._clock = clock
        self._current: Response | None = None  # the last one that was requested
        self._speculation: Response | None = None  # generated before the turn is over

    @property
    def playing(self) -> bool:
        self._settle()
        return self._current is not None

    @property
    def unfinished(self) -> bool:
        return not self.manual and self.detector.state in UNFINISHED

    def frame(self, frame: Frame) -> None:
        """The next 32 ms of audio."""
        now = self.last_frame_at = self._clock.now()
        if frame.speech:
            self._last_speech_at = now
        self._settle()
        if self.manual:
            self._audio.begin()
            self._audio.add(frame, pending=True)
            return
        actions = self.detector.frame(frame.speech)
        pending = self.detector.state not in (State.LISTENING, State.RESPONDING)
        self._audio.add(frame, pending=pending)
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Action.BEGIN:
                self._audio.begin()
                self._out.put_nowait(SpeechStarted(self._audio.start))
            case Action.SPECULATE:
                self._speculate()
            case Action.DISCARD_SPECULATION:
                self._discard_speculation()
            case Action.COMMIT:
                audio = self._audio.audio()
                assert audio is not None, "a turn has audio"
                self._turn_over(audio, responds=self.auto_respond)
            case Action.PAUSE if self._current is not None:
                self._current.playback.pause(self._clock.now())
                self._out.put_nowait(ResponsePaused(self._current.id))
            case Action.RESUME:
                self._resume()
            case Action.INTERRUPT:
                self.stop()

    def commit(self) -> bool:
        """Ends the user turn, whatever the detector says; returns False if there
        is no audio of it.
        """
        audio = self._audio.audio(whole=self.manual)
        if audio is None or not (self.manual or self.unfinished):
            return False
        if self.detector.state is State.INTERRUPTED:
            self.stop()
        self.detector.reset()
        self._turn_over(audio, responds=self.auto_respond and not self.manual)
        return True

    def clear(self) -> None:
        """Discards the audio since the last user turn."""
        self._discard_speculation()
        self._resume()
        self.detector.reset()
        self._audio.clear()

    def say(self, parts: tuple[str | Audio, ...]) -> None:
        self.stop()
        self._discard_speculation()
        response = self._runner.start(parts)
        self._out.put_nowait(UserTurn(parts, message_id=response.message_id))
        self._follow(response)

    def respond(self, options: TurnOptions, context: object) -> bool:
        if self._current is not None and not self._current.generated.is_set():
            return False
        self._discard_speculation()
        self._follow(self._runner.start(None, options=options, context=context))
        return True

    @property
    def response_id(self) -> str:
        return self._current.id if self._current else ""

    def edit(self, change: Callable[[], None]) -> None:
        """Discards the speculation, which rests on the state before the change, and runs the
        change.
        """
        self._discard_speculation()
        self._runner.edit(change)

    def stop(self, *, cancelled: bool = False) -> bool:
        """Stops the response that is generated or played; returns False if there is none."""
        self._settle()
        response, self._current = self._current, None
        if response is None:
            return False
        self._runner.stop(response, "cancelled" if cancelled else "interrupted")
        self.detector.response_over()
        return True

    def sentence_so_far(self, response: Response, complete: bool | None) -> None:
        """Tells the detector whether the sentence so far is complete."""
        if response is self._speculation:
            self.detector.complete = complete

    def _speculate(self) -> None:
        audio = self._audio.audio()
        if self.auto_respond and self._current is None and audio is not None:
            self._speculation = self._runner.start((audio,))
            self._speculation.speculated = True

    def _discard_speculation(self) -> None:
        if self._speculation is not None:
            self._runner.discard(self._speculation)
            self._speculation = None

    def _turn_over(self, audio: Audio, *, responds: bool) -> None:
        if self._speculation is not None and (self._speculation.refused or not responds):
            self._discard_speculation()
        speculation, self._speculation = self._speculation, None
        if speculation is not None and speculation.parts:
            audio = cast(Audio, speculation.parts[0])  # the user turn that it answers
        start = self._audio.start
        end = start + audio.seconds
        self._audio.clear()
        if not self.manual:
            self._out.put_nowait(SpeechStopped(end))
        if not responds:
            message = UserMessage((audio,))
            self._out.put_nowait(UserTurn((audio,), start, end, message.id))
            self._runner.add(message)
            return
        if speculation is not None:
            speculation.saved = self._clock.now() - speculation.started_at
        response = speculation or self._runner.start((audio,))
        self._out.put_nowait(UserTurn((audio,), start, end, response.message_id))
        self._follow(response, self._last_speech_at)

    def _follow(self, response: Response, question_ended_at: float | None = None) -> None:
        self._runner.commit(response, question_ended_at=question_ended_at)
        self._current = response
        if self.detector.settings.interrupt:
            self.detector.response_started()

    def _resume(self) -> None:
        if self._current is not None and self._current.playback.paused:
            self._current.playback.resume(self._clock.now())
            self._out.put_nowait(ResponseResumed(self._current.id))

    def _settle(self) -> None:
        """The response may have been played to its end meanwhile."""
        if self._current is not None and self._current.over(self._clock.now()):
            self._current = None
            self.detector.response_over()
