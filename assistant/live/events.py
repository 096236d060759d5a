"""What happens in a live conversation, as a door (realtime socket, telephone) sees it.

    speech_started  speech_stopped          the user speaks; more than once, when a pause was none
    user_turn                               the turn is over, and is what the answer is about
    answer_started
      (an event of assistant.events | lead_in_sound | answer_paused | answer_resumed)*
    answer_ended                            it is made, stopped or failed; its sound may still play
    interrupted?                            the user spoke over the sound: drop what has not played

Times are seconds of sound received since the conversation began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.audio import Pcm16, Sound
from assistant.events import Event, TurnEnded
from assistant.messages import Message


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user speaks; `at` is where the turn's sound begins, the pre-roll included."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The user has stopped, and the turn ends: its sound ends at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the user said. Goes into the history with the answer, or alone where none is made.

    `start` and `end` are 0.0 for what was typed.
    """

    parts: tuple[str | Sound, ...]
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True, slots=True)
class AnswerStarted:
    """An answer is being made; its id is on no other answer of the conversation.

    `waited` are the seconds from the end of the user's speech to now; `speculated` says that it
    began to be made before the turn was over, and `saved` how many seconds before.
    """

    answer_id: str
    waited: float = 0.0
    speculated: bool = False
    saved: float = 0.0


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """An event of the turn, from TurnStarted to TurnEnded, as the loop gave it."""

    answer_id: str
    event: Event


@dataclass(frozen=True, slots=True, eq=False)
class LeadInSound:
    """A phrase while a tool runs: 24 kHz mono, int16. To be played in its place in the answer."""

    answer_id: str
    text: str
    samples: Pcm16


@dataclass(frozen=True, slots=True)
class AnswerPaused:
    """The sound must stop at once, and be kept: perhaps the user interrupts."""

    answer_id: str


@dataclass(frozen=True, slots=True)
class AnswerResumed:
    """It was nothing: the sound goes on where it stopped."""

    answer_id: str


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """No more of this answer follows.

    `messages` are what it put into the history, after what the user said.
    """

    answer_id: str
    reason: Literal["completed", "interrupted", "cancelled", "failed"]
    ended: TurnEnded
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The listener has heard `seconds` of the answer's own sound, and the history says so.

    Follows AnswerEnded of this answer, however long ago that was. `text` is what was heard.
    """

    answer_id: str
    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class SpeculationDropped:
    """An answer that had begun to be made was thrown away: the user went on. For figures."""

    seconds: float


LiveEvent = (
    SpeechStarted
    | SpeechStopped
    | UserTurn
    | AnswerStarted
    | AnswerEvent
    | LeadInSound
    | AnswerPaused
    | AnswerResumed
    | AnswerEnded
    | Interrupted
    | SpeculationDropped
)
