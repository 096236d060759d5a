"""Calls of one turn that ask for the same run once and share the outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import anyio

from assistant.messages import ToolCall
from assistant.plugins import ToolOutcome, canonical

Report = Callable[[ToolOutcome], None]
Key = tuple[str, str]
"""The canonical form of a call."""


@dataclass
class _Shared:
    done: anyio.Event
    outcome: ToolOutcome | None = None


class SharedCalls:
    """`known`: outcomes of calls that need not run again."""

    def __init__(self, known: Mapping[Key, ToolOutcome] | None = None) -> None:
        self._calls: dict[Key, _Shared] = {}
        for key, outcome in (known or {}).items():
            shared = self._calls[key] = _Shared(anyio.Event(), outcome)
            shared.done.set()

    async def run(
        self, call: ToolCall, work: Callable[[ToolCall, Report], Awaitable[None]], report: Report
    ) -> None:
        """Runs `work`, or waits for the same call; reports nothing where that one was cancelled."""
        key = canonical(call)
        earlier = self._calls.get(key)
        if earlier is None:
            await self._run_first(call, key, work, report)
            return
        await earlier.done.wait()
        if earlier.outcome is not None:
            report(replace(earlier.outcome, call=call, seconds=0.0, attempts=0))

    async def _run_first(
        self,
        call: ToolCall,
        key: Key,
        work: Callable[[ToolCall, Report], Awaitable[None]],
        report: Report,
    ) -> None:
        shared = self._calls[key] = _Shared(anyio.Event())

        def share(outcome: ToolOutcome) -> None:
            shared.outcome = outcome
            report(outcome)

        try:
            await work(call, share)
        finally:
            shared.done.set()

    def answered(self) -> dict[Key, ToolOutcome]:
        """The outcomes of the calls that a tool has answered."""
        done = {key: shared.outcome for key, shared in self._calls.items()}
        return {key: one for key, one in done.items() if one and one.outcome == "ok"}
