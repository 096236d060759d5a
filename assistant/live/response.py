"""One response of a live conversation, from the start of its turn to the end of its playback."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import anyio

from assistant.audio.samples import Audio
from assistant.events import Event, Latency, TurnEnded
from assistant.live.playback import Playback
from assistant.messages import Message, new_message_id
from assistant.turn.event_queue import EventQueue
from assistant.turn.options import TurnOptions

MAX_HELD = 256
"""Events that wait until the user turn is certain; the engine waits if there are more."""

Reason = Literal["completed", "interrupted", "cancelled", "failed"]


@dataclass(eq=False)
class Response:
    """`parts` is the user turn, or None to respond to the history as it stands; `message_id` is the
    id of the user's message in the history. `context` is the caller's, and comes back in
    ResponseStarted.

    The response is generated at once, and sent once `commit` is set. `begun` is set when the
    responses before it are done and its turn starts, `generated` when the turn is over and recorded
    in the history. Whatever happens, all three are set in the end, and `events` is closed.
    """

    id: str
    parts: tuple[str | Audio, ...] | None
    options: TurnOptions = field(default_factory=lambda: TurnOptions())
    context: object = None
    message_id: str = field(default_factory=new_message_id)
    started_at: float = 0.0
    commit: anyio.Event = field(default_factory=anyio.Event)
    begun: anyio.Event = field(default_factory=anyio.Event)
    generated: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    events: EventQueue[Event] = field(default_factory=lambda: EventQueue[Event](MAX_HELD))
    playback: Playback = field(default_factory=Playback)
    turn_id: str = ""
    messages: tuple[Message, ...] = ()
    discarded: bool = False
    refused: bool = False  # its turn could not begin
    reason: Reason | None = None  # why it was stopped, or how it ended
    played_s: float | None = None  # how much of its own audio was played, if it was stopped
    played_text: str = ""
    speculated: bool = False
    saved: float = 0.0
    question_ended_at: float | None = None  # when the user stopped speaking, by the clock
    sent: bool = False  # all of it was sent
    has_output: bool = False  # text or audio of it was sent
    tools: int = 0  # how many run now

    @property
    def stopped(self) -> bool:
        """True if no more of it is sent."""
        return self.discarded or self.played_s is not None

    def over(self, now: float) -> bool:
        """Returns whether nothing more of it will be played."""
        return self.sent and (self.played_s is not None or self.playback.left(now) <= 0.0)


def never_ran() -> TurnEnded:
    """Returns the end of a turn that could not begin."""
    return TurnEnded("failed", "", 0.0, Latency(None, None, 0.0, 0.0))
