"""What the server counts, for Prometheus. Each app has a registry of its own.

The time of a turn is split into segments, one at any moment, so they add up to the whole:

    queue    waits for a place
    model    the model runs, and there is no audio yet
    tools    at least one tool runs, and there was no audio since its call
    speech   from the first audio on
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from assistant.events import (
    AudioChunk,
    Event,
    ToolCallFinished,
    ToolCallStarted,
    TurnEnded,
    TurnStarted,
)
from assistant.live.events import (
    Interrupted,
    LeadInAudio,
    LiveEvent,
    ResponseEnded,
    ResponseEvent,
    ResponseResumed,
    ResponseStarted,
    SpeculationDiscarded,
)

Segment = Literal["queue", "model", "tools", "speech"]

_LATE_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.4, 1)
_WAIT_SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The figures of one app. `is_tool` returns whether a tool of the server has that name: a
    client's names would make series without end, for whoever reads the metrics.
    """

    def __init__(self, is_tool: Callable[[str], bool] = lambda name: True) -> None:
        self.is_tool = is_tool
        self.registry = CollectorRegistry()
        self.turns = self._counter("turns", "Turns by how they ended.", "outcome")
        self.tools = self._counter("tool_calls", "Tool calls.", "tool", "outcome")
        self.tool_seconds = self._histogram("tool_seconds", "Time of a tool call.", "tool")
        self.turn_seconds = self._histogram("turn_seconds", "Time of a turn.")
        self.segments = self._histogram(
            "turn_segment_seconds", "ServerState of a turn's time; they add up to it.", "segment"
        )
        self.first_audio = self._histogram(
            "first_audio_seconds", "From the request to the first audio."
        )
        self.audio_in = self._counter("audio_in_seconds", "Audio that was received.")
        self.audio_out = self._counter("audio_out_seconds", "Audio that was spoken.")
        self.calls = self._counter("calls", "Telephone calls by what ended them.", "ended_by")
        self.call_frame_late = self._histogram(
            "call_frame_late_seconds",
            "How late each 20 ms of a call's audio was sent; Twilio buffers 0.4 s.",
            buckets=_LATE_SECONDS,
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"assistant_{name}", help_text, labels, registry=self.registry)

    def _histogram(
        self, name: str, help_text: str, *labels: str, buckets: tuple[float, ...] = _SECONDS
    ) -> Histogram:
        name = f"assistant_{name}"
        return Histogram(name, help_text, labels, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A figure that is looked up when it is asked for."""
        Gauge(f"assistant_{name}", help_text, registry=self.registry).set_function(value)

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)

    def turn(self) -> TurnMeter:
        return TurnMeter(self)


class TurnMeter:
    """Follows one turn by its events, from the moment it was asked for."""

    def __init__(self, metrics: Metrics, now: Callable[[], float] = time.perf_counter) -> None:
        self._metrics = metrics
        self._now = now
        self._started = self._since = now()
        self._segment: Segment = "queue"
        self._running: set[str] = set()
        self._outcome = "refused"
        self.seconds: dict[Segment, float] = {}

    async def watch(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """The same events; counts them as they pass."""
        async with aclosing(events):
            async for event in events:
                self.handle(event)
                yield event

    def handle(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._outcome = "cancelled"  # unless an end is seen
                self._enter("model")
            case AudioChunk():
                if not self._spoken:
                    self._metrics.first_audio.observe(self._now() - self._started)
                self._enter("speech")
                self._metrics.audio_out.inc(event.seconds)
            case ToolCallStarted():
                self._running.add(event.call_id)
                self._enter("tools")
            case ToolCallFinished():
                self._tool_ended(event)
            case TurnEnded():
                self._outcome = event.reason

    @property
    def _spoken(self) -> bool:
        return "speech" in self.seconds or self._segment == "speech"

    def _tool_ended(self, event: ToolCallFinished) -> None:
        self._running.discard(event.call_id)
        tool = event.name if self._metrics.is_tool(event.name) else "(unknown)"
        self._metrics.tools.labels(tool, event.outcome).inc()
        self._metrics.tool_seconds.labels(tool).observe(event.seconds)
        if not self._running and self._segment == "tools":
            self._enter("model")

    def _enter(self, segment: Segment) -> None:
        now = self._now()
        self.seconds[self._segment] = self.seconds.get(self._segment, 0.0) + now - self._since
        self._segment, self._since = segment, now

    def finish(self) -> None:
        """Adds the turn to the figures; once, at its end."""
        self._enter(self._segment)
        self._metrics.turns.labels(self._outcome).inc()
        if self._outcome == "refused":
            return
        for segment, seconds in self.seconds.items():
            self._metrics.segments.labels(segment).observe(seconds)
        self._metrics.turn_seconds.observe(sum(self.seconds.values()))


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
            "assistant_interruptions", "Responses that were interrupted.", registry=registry
        )
        self.resumed = Counter(
            "assistant_resumed_pauses",
            "Answers that paused for a noise and went on.",
            registry=registry,
        )
        self.wait = Histogram(
            "assistant_response_wait_seconds",
            "From the end of speech to the first audio of the response.",
            buckets=_WAIT_SECONDS,
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
        self._spoken_until: dict[str, float] = {}  # when the user's speech ended, by response
        self._cancelled = ""  # the last response that was stopped by a button

    def __enter__(self) -> LiveMeter:
        self._figures.open += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._figures.open -= 1

    def handle(self, event: LiveEvent) -> float | None:
        """Counts an event. Returns the wait if it is the first audio of a response to speech."""
        match event:
            case ResponseStarted():
                self._response_started(event)
            case ResponseEvent(response_id=response_id, event=AudioChunk()) | LeadInAudio(
                response_id
            ):
                return self._first_audio(response_id)
            case ResponseEnded():
                self._spoken_until.pop(event.response_id, None)
                if event.reason == "cancelled":
                    self._cancelled = event.response_id
            case SpeculationDiscarded():
                self._figures.speculations.labels("dropped").inc()
            case Interrupted() if event.response_id != self._cancelled:
                self._figures.interruptions.inc()
            case ResponseResumed():
                self._figures.resumed.inc()
        return None

    def _response_started(self, event: ResponseStarted) -> None:
        if event.waited:
            self._spoken_until[event.response_id] = self._now() - event.waited
        if event.speculated:
            self._figures.speculations.labels("committed").inc()
            self._figures.saved.inc(event.saved)

    def _first_audio(self, response_id: str) -> float | None:
        spoken_until = self._spoken_until.pop(response_id, None)
        if spoken_until is None:
            return None
        wait = max(0.0, self._now() - spoken_until)
        self._figures.wait.observe(wait)
        return wait
