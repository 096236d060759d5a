"""The events of a live conversation, for its caller: a realtime socket, a telephone call.

    speech_started  speech_stopped       the user speaks; repeated if a pause was no end of turn
    user_turn                            the user turn is over; the response is about it
    response_started
      (an event of assistant.events | lead_in_audio | response_paused | response_resumed)*
    response_ended                       it is generated, stopped or failed; audio may still play
    interrupted?                         the user spoke over it: drop the audio that did not play

Times are seconds of audio received since the conversation began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.audio.samples import Audio, Pcm16
from assistant.events import Event, TurnEnded
from assistant.messages import Message


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user speaks; `at` is the start of the turn's audio, with its pre-roll."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The user has stopped, and the turn ends; `at` is the end of its audio."""

    at: float


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The user turn is over. Its message is recorded with the response, or alone if there is none.

    `start` and `end` are 0.0 if it was typed. `message_id` is the id of the message in the history.
    """

    parts: tuple[str | Audio, ...]
    start: float = 0.0
    end: float = 0.0
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """A response is being generated. Its id is unique within the conversation.

    `waited` is the time from the end of the user's speech to now, in seconds. `speculated` tells
    that it was started before the turn was over, and `saved` how many seconds before. `context` is
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
    """A phrase that is said while a tool runs: 24 kHz mono int16, shape (n,), a part of the
    response.
    """

    response_id: str
    text: str
    samples: Pcm16


@dataclass(frozen=True, slots=True)
class ResponsePaused:
    """The audio must pause at once and be retained: the user may be interrupting."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ResponseResumed:
    """The user did not interrupt: the audio resumes at the place of the pause."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """Nothing more of this response follows.

    `messages` are those that it added to the history, without the user's.
    """

    response_id: str
    reason: Literal["completed", "interrupted", "cancelled", "failed"]
    ended: TurnEnded
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The response was interrupted after `seconds` of its own audio, and the history is cut to
    that.

    Follows ResponseEnded of this response, at any time later. `text` is the part that was played.
    """

    response_id: str
    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class SpeculationDiscarded:
    """A speculative response was discarded because the user went on; it had run for `seconds`."""

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
