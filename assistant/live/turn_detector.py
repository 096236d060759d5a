"""Turn detection: when a user turn begins and ends, and what to do at each step.

                     speech             long enough
       LISTENING ------------> ONSET ------------------> SPEAKING <----------+
        ^  ^  ^                  |            BEGIN      |      ^            |
        |  |  +------------------+             a pause:  |      | goes on: DISCARD_SPECULATION
        |  |      too short                    SPECULATE |      |            |
        |  |                                             v      |            |
        |  |  no response                            ENDPOINTING             |
        |  +------------------------------------------------+                |
        |                                    silence long   |                |
        | the response was played            enough: COMMIT v                |
        +----------------------------------------------- RESPONDING          |
                                                          |     ^            |
                                        speech over it:   |     | too short: |
                                                PAUSE     v     | RESUME     |
                                                      INTERRUPTED -----------+
                                                           long enough: BEGIN, INTERRUPT

Endpointing waits for a short silence if the sentence is complete, and for a long one if it isn't.
Time is counted in frames of audio, so that the same audio always leads to the same turns, and a
test needs no clock. Speech without an end is cut (COMMIT out of SPEAKING).
"""

from __future__ import annotations

from enum import Enum, auto

from assistant.config import LiveSettings
from assistant.live.vad.frames import FRAME_S

FRAME_MS = round(FRAME_S * 1000)
GAP_MS = 256
"""Silence after which speech that was too short is discarded, in milliseconds."""
PAUSE_MS = 32
"""Speech over a response after which its audio is paused, if it can be, in milliseconds."""
GOES_ON_MS = 32
"""Speech after a pause that shows that the user goes on, in milliseconds."""


class State(Enum):
    """The states of a conversation; see the diagram above."""

    LISTENING = auto()
    ONSET = auto()
    SPEAKING = auto()
    ENDPOINTING = auto()
    RESPONDING = auto()
    INTERRUPTED = auto()


class Action(Enum):
    """The steps that follow from a frame; see the diagram above."""

    BEGIN = auto()  # the user turn has begun
    SPECULATE = auto()  # it may be over: start a speculative response
    DISCARD_SPECULATION = auto()  # it is not over: discard that response
    COMMIT = auto()  # it is over
    PAUSE = auto()  # pause the audio of the response
    RESUME = auto()  # resume it
    INTERRUPT = auto()  # stop the response


class TurnDetector:
    """Decides by frames of FRAME_MS. `pausable`: the audio of a response can pause and resume."""

    def __init__(self, settings: LiveSettings, *, pausable: bool = False) -> None:
        self.settings = settings
        self.pausable = pausable
        self.state = State.LISTENING
        self.complete: bool | None = None
        """True if the sentence is complete, False if it is not, None if that is not known."""
        self._total_ms = 0  # since the speech began
        self._speech_ms = 0  # of speech in it
        self._run_ms = 0  # speech since the last silence
        self._silence_ms = 0  # silence since the last speech
        self._paused = False

    def frame(self, speech: bool) -> list[Action]:
        """Takes the next frame and returns what to do, in this order."""
        self._count(speech)
        match self.state:
            case State.LISTENING:
                return self._listening(speech)
            case State.ONSET:
                return self._onset()
            case State.SPEAKING:
                return self._speaking()
            case State.ENDPOINTING:
                return self._endpointing()
            case State.RESPONDING:
                return self._responding(speech)
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
        return []

    def _speaking(self) -> list[Action]:
        if self._total_ms >= self.settings.max_user_turn_s * 1000:
            return self._commit()
        pause_ms = self.settings.speculate_ms or self.settings.silence_ms
        if self._silence_ms < min(pause_ms, self.settings.silence_ms):
            return []
        self.state = State.ENDPOINTING
        self.complete = None
        speculate = [Action.SPECULATE] if self.settings.speculate_ms else []
        return speculate + self._endpointing()

    def _endpointing(self) -> list[Action]:
        if self._run_ms >= GOES_ON_MS:
            self.state = State.SPEAKING
            return [Action.DISCARD_SPECULATION]
        return self._commit() if self._silence_ms >= self._silence_limit_ms() else []

    def _silence_limit_ms(self) -> int:
        short = self.settings.silence_ms
        long = max(short, self.settings.long_silence_ms)
        if self.complete is None:
            return (short + long) // 2
        return short if self.complete else long

    def _responding(self, speech: bool) -> list[Action]:
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
            self.state = State.RESPONDING
            return self._resume()
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

    def response_started(self) -> None:
        """Notes that a response is generated or played: speech from now on interrupts it."""
        if self.state is State.LISTENING:
            self.state = State.RESPONDING

    def response_over(self) -> None:
        """Notes that it was played or stopped; speech that began meanwhile becomes a user turn."""
        if self.state is State.RESPONDING:
            self.state = State.LISTENING
        elif self.state is State.INTERRUPTED:
            self.state, self._paused = State.ONSET, False

    def reset(self) -> None:
        """Discards the user turn that has begun (manual mode, a cleared buffer)."""
        responding = self.state in (State.RESPONDING, State.INTERRUPTED)
        self.state = State.RESPONDING if responding else State.LISTENING
        self._paused = False
