"""What the server counts of live conversations, whichever door they come by."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from assistant.events import AudioChunk
from assistant.live.events import (
    Interrupted,
    LeadInAudio,
    LiveEvent,
    ResponseEnded,
    ResponseEvent,
    ResponseResumed,
    ResponseStarted,
    SpeculationDropped,
)

_SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class LiveMetrics:
    """Those of one app."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.speculations = Counter(
            "assistant_speculations",
            "Answers that began to be made before the turn was over.",
            ["outcome"],
            registry=registry,
        )
        self.saved = Counter(
            "assistant_speculation_saved_seconds",
            "Time that answers were begun before the turn was over.",
            registry=registry,
        )
        self.interruptions = Counter(
            "assistant_interruptions", "Answers that were spoken over.", registry=registry
        )
        self.resumed = Counter(
            "assistant_resumed_pauses",
            "Answers that paused for a noise and went on.",
            registry=registry,
        )
        self.wait = Histogram(
            "assistant_answer_wait_seconds",
            "From the end of speech to the first sound of the answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.open = 0

    def meter(self) -> LiveMeter:
        return LiveMeter(self)


class LiveMeter:
    """Follows one conversation. Used as `with`, around the time in which it is open."""

    def __init__(self, figures: LiveMetrics, now: Callable[[], float] = time.monotonic) -> None:
        self._figures = figures
        self._now = now
        self._spoken_until: dict[str, float] = {}  # when the user's speech ended, by answer
        self._cancelled = ""  # the last answer that was stopped by a button

    def __enter__(self) -> LiveMeter:
        self._figures.open += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._figures.open -= 1

    def see(self, event: LiveEvent) -> float | None:
        """Counts it. Gives the wait where it is the first sound of an answer to speech."""
        match event:
            case ResponseStarted():
                self._answer_started(event)
            case ResponseEvent(response_id=response_id, event=AudioChunk()) | LeadInAudio(
                response_id
            ):
                return self._heard(response_id)
            case ResponseEnded():
                self._spoken_until.pop(event.response_id, None)
                if event.reason == "cancelled":
                    self._cancelled = event.response_id
            case SpeculationDropped():
                self._figures.speculations.labels("dropped").inc()
            case Interrupted() if event.response_id != self._cancelled:
                self._figures.interruptions.inc()
            case ResponseResumed():
                self._figures.resumed.inc()
        return None

    def _answer_started(self, event: ResponseStarted) -> None:
        if event.waited:
            self._spoken_until[event.response_id] = self._now() - event.waited
        if event.speculated:
            self._figures.speculations.labels("committed").inc()
            self._figures.saved.inc(event.saved)

    def _heard(self, response_id: str) -> float | None:
        spoken_until = self._spoken_until.pop(response_id, None)
        if spoken_until is None:
            return None
        wait = max(0.0, self._now() - spoken_until)
        self._figures.wait.observe(wait)
        return wait
