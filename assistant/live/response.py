"""One answer of a live conversation, from its first thought to its last sound."""

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

HELD = 256
"""Events that are made before the turn is certain; the engine waits then."""

Reason = Literal["completed", "interrupted", "cancelled", "failed"]


@dataclass(eq=False)
class Response:
    """`parts`: what was asked, or None to respond to the history as it stands; `message_id` is the
    id of the user's message in the history. `context` is the caller's, and comes back in
    ResponseStarted.

    It is made at once and goes out once `commit` is set. `begun`: its turn runs, the ones before
    are over. `made`: the turn is over, and the history holds it. Whatever happens, all three are
    set in the end, and `events` is closed.
    """

    id: str
    parts: tuple[str | Audio, ...] | None
    options: TurnOptions = field(default_factory=lambda: TurnOptions())
    context: object = None
    message_id: str = field(default_factory=new_message_id)
    started_at: float = 0.0
    commit: anyio.Event = field(default_factory=anyio.Event)
    begun: anyio.Event = field(default_factory=anyio.Event)
    made: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    events: EventQueue[Event] = field(default_factory=lambda: EventQueue[Event](HELD))
    playback: Playback = field(default_factory=Playback)
    turn_id: str = ""
    messages: tuple[Message, ...] = ()
    dropped: bool = False
    refused: bool = False  # it could not begin
    reason: Reason | None = None  # why it was stopped, or how it ended
    heard: float | None = None  # seconds of its own sound, where it was stopped
    heard_text: str = ""
    speculated: bool = False
    saved: float = 0.0
    question_ended_at: float | None = None  # when the user stopped speaking, by the clock
    passed_on: bool = False  # all of it has gone out
    said: bool = False  # something of it was said
    tools: int = 0  # that run now

    @property
    def stopped(self) -> bool:
        return self.dropped or self.heard is not None

    def over(self, now: float) -> bool:
        """Nothing more of it will be heard."""
        return self.passed_on and (self.heard is not None or self.playback.left(now) <= 0.0)


def never_ran() -> TurnEnded:
    """The end of a turn that could not begin."""
    return TurnEnded("failed", "", 0.0, Latency(None, None, 0.0, 0.0))
