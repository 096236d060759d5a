"""When a turn of the user begins and ends: the states, and what to do at each step.

                     speech             long enough
       LISTENING ------------> ONSET ------------------> SPEAKING <----------+
        ^  ^  ^                  |            BEGIN      |      ^            |
        |  |  +------------------+             a pause:  |      | goes on:   |
        |  |      too short                    SPECULATE |      | DROP       |
        |  |                                             v      |            |
        |  |  nobody answers                           MAYBE_ENDED           |
        |  +------------------------------------------------+                |
        |                                    silence long   |                |
        | the answer was played              enough: COMMIT v                |
        +----------------------------------------------- ANSWERING           |
                                                          |     ^            |
                                        speech over it:   |     | too short: |
                                                PAUSE     v     | RESUME     |
                                                      INTERRUPTED -----------+
                                                           long enough: BEGIN, INTERRUPT

Time is counted in frames of sound, so the same sound always takes the same turns, and a test needs
no clock. Speech without an end is cut (COMMIT out of SPEAKING).
"""

from __future__ import annotations

from enum import Enum, auto

from assistant.config import LiveSettings
from assistant.live.vad.frames import FRAME_S

FRAME_MS = round(FRAME_S * 1000)
GAP_MS = 256
"""Silence after which speech that was too short is over."""
PAUSE_MS = 32
"""Speech over the answer that lets its sound pause, where it can."""
GOES_ON_MS = 32
"""Speech after a pause from which on the user has gone on."""


class State(Enum):
    LISTENING = auto()
    ONSET = auto()
    SPEAKING = auto()
    MAYBE_ENDED = auto()
    ANSWERING = auto()
    INTERRUPTED = auto()


class Action(Enum):
    BEGIN = auto()  # the user's turn has begun
    SPECULATE = auto()  # it may be over: begin to make the answer
    DROP = auto()  # it is not: throw that away
    COMMIT = auto()  # it is over
    PAUSE = auto()  # stop the sound of the answer, and keep it
    RESUME = auto()  # let it go on
    INTERRUPT = auto()  # stop the answer
    FORGET = auto()  # what sounded like speech was none


class TurnDetector:
    """Fed with frames of FRAME_MS; says what to do. `pausable`: the sound can stop and go on."""

    def __init__(self, settings: LiveSettings, *, pausable: bool = False) -> None:
        self.settings = settings
        self.pausable = pausable
        self.state = State.LISTENING
        self.complete: bool | None = None
        """Whether the sentence may end here, as far as anybody knows."""
        self._total_ms = 0  # since the speech began
        self._speech_ms = 0  # of speech in it
        self._run_ms = 0  # speech since the last silence
        self._silence_ms = 0  # silence since the last speech
        self._paused = False

    def frame(self, speech: bool) -> list[Action]:
        """The next 32 ms of sound."""
        self._count(speech)
        match self.state:
            case State.LISTENING:
                return self._listening(speech)
            case State.ONSET:
                return self._onset()
            case State.SPEAKING:
                return self._speaking()
            case State.MAYBE_ENDED:
                return self._maybe_ended()
            case State.ANSWERING:
                return self._answering(speech)
            case State.INTERRUPTED:
                return self._interrupted()

    def _count(self, speech: bool) -> None:
        self._total_ms += FRAME_MS
        if speech:
            self._speech_ms += FRAME_MS
            self._run_ms += FRAME_MS
            self._silence_ms = 0
        else:
            self._run_ms = 0
            self._silence_ms += FRAME_MS

    def _listening(self, speech: bool) -> list[Action]:
        if not speech:
            return []
        self._start(State.ONSET)
        return self._onset()

    def _onset(self) -> list[Action]:
        if self._speech_ms >= self.settings.min_speech_ms:
            self.state = State.SPEAKING
            return [Action.BEGIN]
        if self._silence_ms >= GAP_MS:
            self.state = State.LISTENING
            return [Action.FORGET]
        return []

    def _speaking(self) -> list[Action]:
        if self._total_ms >= self.settings.max_utterance_s * 1000:
            return self._commit()
        pause_ms = self.settings.speculate_ms or self.settings.silence_ms
        if self._silence_ms < min(pause_ms, self.settings.silence_ms):
            return []
        self.state = State.MAYBE_ENDED
        self.complete = None
        speculate = [Action.SPECULATE] if self.settings.speculate_ms else []
        return speculate + self._maybe_ended()

    def _maybe_ended(self) -> list[Action]:
        if self._run_ms >= GOES_ON_MS:
            self.state = State.SPEAKING
            return [Action.DROP]
        return self._commit() if self._silence_ms >= self._silence_limit_ms() else []

    def _silence_limit_ms(self) -> int:
        short = self.settings.silence_ms
        long = max(short, self.settings.long_silence_ms)
        if self.complete is None:
            return (short + long) // 2
        return short if self.complete else long

    def _answering(self, speech: bool) -> list[Action]:
        if not speech or not self.settings.interrupt:
            return []
        self._start(State.INTERRUPTED)
        return self._interrupted()

    def _interrupted(self) -> list[Action]:
        limit = self.settings.resume_ms if self.pausable else self.settings.interrupt_ms
        if self._speech_ms >= limit:
            self.state, self._paused = State.SPEAKING, False
            return [Action.BEGIN, Action.INTERRUPT]
        if self._silence_ms >= GAP_MS:
            self.state = State.ANSWERING
            return [Action.FORGET, *self._resume()]
        if self.pausable and not self._paused and self._run_ms >= PAUSE_MS:
            self._paused = True
            return [Action.PAUSE]
        return []

    def _resume(self) -> list[Action]:
        paused, self._paused = self._paused, False
        return [Action.RESUME] if paused else []

    def _start(self, state: State) -> None:
        self.state = state
        self._total_ms = self._speech_ms = self._run_ms = FRAME_MS
        self._silence_ms = 0

    def _commit(self) -> list[Action]:
        self.state = State.LISTENING
        return [Action.COMMIT]

    def answer_began(self) -> None:
        """An answer is being made, or its sound plays: speech from here on is over it."""
        if self.state is State.LISTENING:
            self.state = State.ANSWERING

    def answer_over(self) -> None:
        """It has been played, or stopped. Speech that has begun meanwhile is a turn of its own."""
        if self.state is State.ANSWERING:
            self.state = State.LISTENING
        elif self.state is State.INTERRUPTED:
            self.state, self._paused = State.ONSET, False

    def reset(self) -> None:
        """Whatever was being said is not to be heard (manual mode, a cleared buffer)."""
        answering = self.state in (State.ANSWERING, State.INTERRUPTED)
        self.state = State.ANSWERING if answering else State.LISTENING
        self._paused = False
