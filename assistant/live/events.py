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

from assistant.audio.samples import Audio, Pcm16
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

    `start` and `end` are 0.0 for what was typed. `message_id` is the id of the message in the
    history.
    """

    parts: tuple[str | Audio, ...]
    start: float = 0.0
    end: float = 0.0
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """An answer is being made; its id is on no other answer of the conversation.

    `waited` are the seconds from the end of the user's speech to now; `speculated` says that it
    began to be made before the turn was over, and `saved` how many seconds before. `context` is
    what the caller passed to `respond`.
    """

    response_id: str
    waited: float = 0.0
    speculated: bool = False
    saved: float = 0.0
    context: object = None


@dataclass(frozen=True, slots=True)
class ResponseEvent:
    """An event of the turn, from TurnStarted to TurnEnded, as the loop gave it."""

    response_id: str
    event: Event


@dataclass(frozen=True, slots=True, eq=False)
class LeadInAudio:
    """A phrase while a tool runs: 24 kHz mono, int16. To be played in its place in the answer."""

    response_id: str
    text: str
    samples: Pcm16


@dataclass(frozen=True, slots=True)
class ResponsePaused:
    """The sound must stop at once, and be kept: perhaps the user interrupts."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ResponseResumed:
    """It was nothing: the sound goes on where it stopped."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """No more of this answer follows.

    `messages` are what it put into the history, after what the user said.
    """

    response_id: str
    reason: Literal["completed", "interrupted", "cancelled", "failed"]
    ended: TurnEnded
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The listener has heard `seconds` of the answer's own sound, and the history says so.

    Follows ResponseEnded of this answer, however long ago that was. `text` is what was heard.
    """

    response_id: str
    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class SpeculationDiscarded:
    """An answer that had begun to be made was thrown away: the user went on. For figures."""

    seconds: float


LiveEvent = (
    SpeechStarted
    | SpeechStopped
    | UserTurn
    | ResponseStarted
    | ResponseEvent
    | LeadInAudio
    | ResponsePaused
    | ResponseResumed
    | ResponseEnded
    | Interrupted
    | SpeculationDiscarded
)
