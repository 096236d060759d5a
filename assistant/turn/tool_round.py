"""One round of a turn: a step of the engine, and the tools that it called."""

from __future__ import annotations

from dataclasses import dataclass, field

from assistant.engines.base import Finish
from assistant.events import ToolCallFinished
from assistant.history import History
from assistant.messages import AssistantMessage, Message, ToolCall, ToolMessage
from assistant.plugins import ToolOutcome
from assistant.turn.truncation import SpokenMessage, SpokenTurn


@dataclass
class ToolRound:
    """The output of one step of the engine and its tools so far.

    `start` is where the round begins in the turn's audio, in seconds. `pieces` are its texts, each
    with the second at which its audio begins. `for_client` are those of `calls` that the client
    runs itself. `offered` are the names of the tools that the engine may call.
    """

    offered: frozenset[str] = frozenset()
    start: float = 0.0
    pieces: list[tuple[str, float]] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    for_client: list[ToolCall] = field(default_factory=list)
    outcomes: dict[str, ToolOutcome] = field(default_factory=dict)
    finish: Finish = field(default_factory=Finish)
    messages: list[Message] = field(default_factory=list)
    """The messages that `record` appended to the history."""

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)

    def record(
        self, history: History, spoken: SpokenTurn, end: float, *, complete: bool
    ) -> list[ToolOutcome]:
        """Appends the words, the calls and an outcome for each call to the history.

        `end` is where the round ends in the turn's audio, in seconds. Returns the outcomes that
        were not reported yet: of calls that never started, or that waited for the same call. After
        a complete round the client's own calls stay open.
        """
        unreported = []
        if self.text or self.calls:
            message = AssistantMessage(self.text, tuple(self.calls), self.finish.tokens)
            self.messages.append(message)
            spoken.add(SpokenMessage(message, tuple(self.pieces), self.start, end))
        for call in self.calls:
            outcome = self.outcomes.get(call.id)
            if complete and call in self.for_client:
                continue
            if outcome is None:
                outcome = ToolOutcome(call, "cancelled", "The call was cancelled.")
                if call not in self.for_client:  # no event has reported those
                    unreported.append(outcome)
            self.messages.append(ToolMessage(call, outcome.outcome, outcome.text))
        history.extend(self.messages)
        return unreported


def finished(outcome: ToolOutcome) -> ToolCallFinished:
    """Returns the event that reports the outcome."""
    return ToolCallFinished(
        outcome.call.id,
        outcome.call.name,
        outcome.outcome,
        round(outcome.seconds, 6),
        outcome.text,
        outcome.data,
    )
