"""One step of the engine and the tools that it called, and how it goes into the history."""

from __future__ import annotations

from dataclasses import dataclass, field

from assistant.engines.base import Finish
from assistant.events import ToolCallFinished
from assistant.heard import Spoken, SpokenMessage
from assistant.messages import AssistantMessage, Message, ToolCall, ToolMessage
from assistant.plugins import ToolOutcome


@dataclass
class Round:
    """What one step of the engine has brought so far."""

    with_tools: bool
    start: float = 0.0  # where it begins in the turn's sound, in seconds
    pieces: list[tuple[str, float]] = field(default_factory=list)  # texts, and where their sound is
    calls: list[ToolCall] = field(default_factory=list)
    for_client: list[ToolCall] = field(default_factory=list)  # those of `calls` not run here
    outcomes: dict[str, ToolOutcome] = field(default_factory=dict)
    finish: Finish = field(default_factory=Finish)

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)

    def record(
        self, history: list[Message], spoken: Spoken, end: float, *, complete: bool
    ) -> list[ToolOutcome]:
        """Puts the words, the calls and an outcome for each call at the end of the history.

        `end` is where it ends in the turn's sound. Gives the outcomes that were not reported yet,
        of calls that never started or waited for their twin. Where the round is complete, the
        client's calls stay open.
        """
        text, late = self.text, []
        if text or self.calls:
            message = AssistantMessage(text, tuple(self.calls), self.finish.tokens)
            history.append(message)
            spoken.add(SpokenMessage(message, tuple(self.pieces), self.start, end))
        for call in self.calls:
            outcome = self.outcomes.get(call.id)
            if complete and call in self.for_client:
                continue
            if outcome is None:
                outcome = ToolOutcome(call, "cancelled", "The call was cancelled.")
                if call not in self.for_client:  # the caller has not heard of those
                    late.append(outcome)
            history.append(ToolMessage(call, outcome.outcome, outcome.text))
        return late


def finished(outcome: ToolOutcome) -> ToolCallFinished:
    """The event that tells of it."""
    return ToolCallFinished(
        outcome.call.id,
        outcome.call.name,
        outcome.outcome,
        round(outcome.seconds, 6),
        outcome.text,
        outcome.data,
    )
