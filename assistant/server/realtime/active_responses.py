"""The responses of one conversation: those that are expected, that run, and that may still play."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from assistant.audio.samples import Audio
from assistant.concurrency import Signal
from assistant.server.realtime.items import Item
from assistant.server.realtime.response import ResponseWriter

RECENT = 8
"""Responses whose audio may still play."""


@dataclass(eq=False)
class SpokenQuestion:
    """The spoken user turn that a response is about: the item and its audio."""

    item: Item
    audio: Audio


@dataclass(eq=False)
class RunningResponse:
    """A response on its way to the client.

    `first_audio_s` is the time from the end of the user's speech to its first audio, in seconds.
    """

    writer: ResponseWriter
    question: SpokenQuestion | None
    speculated: bool
    first_audio_s: float | None = None


class ActiveResponses:
    """Knows which responses are expected, running and recent; `changed` is notified of every
    change.

    Responses of the live conversation are found by the id that it gave them (`live_id`).
    """

    def __init__(self) -> None:
        self.changed = Signal()
        self.joining = 0
        """Out-of-band responses that will be added to the conversation."""
        self._expected: set[str] = set()
        self._running: dict[str, RunningResponse] = {}
        self._recent: deque[ResponseWriter] = deque(maxlen=RECENT)

    @property
    def busy(self) -> bool:
        """True if the live conversation generates a response, or is about to."""
        return bool(self._running or self._expected)

    @property
    def ids(self) -> set[str]:
        """The ids of the running responses, as the client knows them."""
        return {running.writer.id for running in self._running.values()}

    def expect(self, live_id: str) -> None:
        """Notes that the client asked for a response that has not begun."""
        self._expected.add(live_id)

    def begin(self, live_id: str, running: RunningResponse) -> None:
        """Notes that a response has begun."""
        self._expected.discard(live_id)
        self._running[live_id] = running
        self._recent.append(running.writer)

    def end(self, live_id: str) -> RunningResponse | None:
        """Notes that a response has ended, and returns it."""
        return self._running.pop(live_id, None)

    def running(self, live_id: str) -> RunningResponse | None:
        """Returns the running response, or None."""
        return self._running.get(live_id)

    def recent(self, live_id: str) -> ResponseWriter | None:
        """Returns a response that runs or ended lately, or None."""
        return next((one for one in self._recent if one.live_id == live_id), None)

    def live_id_of(self, response_id: str) -> str:
        """Returns the live conversation's id of a recent response; empty if there is none."""
        return next((one.live_id for one in self._recent if one.id == response_id), "")
