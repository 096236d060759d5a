"""The state that all protocols of one server share; `get_state` is the one way to it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar, cast

import anyio
from starlette.requests import HTTPConnection

from assistant.assistant import Assistant
from assistant.errors import EngineError
from assistant.events import Failed
from assistant.live.lead_ins import LeadIns
from assistant.live.phrase_cache import PhraseCache
from assistant.live.vad.frames import SpeechDetector
from assistant.server.audio.fetch import FetchLimits, fetch_audio
from assistant.server.audio.names import NameResolver
from assistant.server.auth.client_secrets import ClientSecrets
from assistant.server.auth.key_file import KeyFile
from assistant.server.auth.rate_limits import RateLimits
from assistant.server.http.websockets import Sockets
from assistant.server.memory import MemoryGuard
from assistant.server.metrics import LiveMetrics, Metrics
from assistant.server.turn_queue import TurnQueue
from assistant.server.watchdog import Watchdog

T = TypeVar("T")

WATCH_S = 0.5
"""Seconds between two looks at the key file for the sake of open WebSockets."""
Fetch = Callable[[str, str], Awaitable[bytes]]
"""Returns the bytes behind a URL that the second argument, an owner, asks for. Raises
AudioError.
"""


class ServerState:
    """The assistant, the limits, the turn queue, the metrics and the sockets of one server.

    A protocol adds its own object (`add`) and finds it by its class (`get`), so that this module
    imports no protocol. Raises SettingsError if the key file is wrong.
    """

    def __init__(
        self, assistant: Assistant, new_speech_detector: Callable[[], SpeechDetector]
    ) -> None:
        self.assistant = assistant
        self.settings = settings = assistant.settings.server
        self.keys = None if settings.keys is None else KeyFile(settings.keys)
        self.rates = RateLimits()
        self.secrets = ClientSecrets()
        self.decoding = anyio.CapacityLimiter(os.cpu_count() or 1)
        self.memory = MemoryGuard(settings.limits.min_free_bytes)
        self.turn_queue = TurnQueue(settings.limits, self.rates, self.memory.check)
        self.sockets = Sockets(settings.sockets, settings.limits.stall_s)
        self.metrics = Metrics(lambda name: assistant.registry.get(name) is not None)
        self.live_metrics = LiveMetrics(self.metrics.registry)
        self.lead_ins = LeadIns(PhraseCache(assistant))
        self.names = NameResolver()
        self.fetch: Fetch = self._fetch
        self.watchdog = Watchdog(self._probe, lambda: self.turn_queue.running, settings.stuck_s)
        self.new_speech_detector = new_speech_detector
        self.ready = False
        """True while the engine is loaded and the server does not stop: the answer of /ready."""
        self._parts: dict[type, object] = {}
        self._add_gauges()

    def _add_gauges(self) -> None:
        gauge, queue = self.metrics.gauge, self.turn_queue
        gauge("turns_running", "Turns that run.", lambda: queue.running)
        gauge("turns_waiting", "Turns that wait in the queue.", lambda: queue.waiting)
        gauge("sockets_open", "Open WebSockets.", lambda: self.sockets.open)
        gauge("event_loop_lag_seconds", "Largest lag in a minute.", lambda: self.watchdog.lag_s)
        gauge("memory_free_bytes", "Memory that may still be taken.", lambda: self.memory.free or 0)
        gauge("memory_refusals", "Refusals for want of memory.", lambda: self.memory.refused)
        gauge("conversations_open", "Live conversations.", lambda: self.live_metrics.open)

    async def _probe(self) -> None:
        """Runs a turn that reads one word, as text. Raises EngineError if it fails."""
        session = self.assistant.session(allow=(), speak=False)
        async with aclosing(session.ask("OK", task="read")) as turn:
            async for event in turn:
                if isinstance(event, Failed):
                    raise EngineError(event.message)

    async def _fetch(self, url: str, owner: str) -> bytes:
        settings = self.settings.limits
        limits = FetchLimits(settings.max_body_bytes, settings.fetch_timeout_s)
        return await fetch_audio(url, limits, resolve=partial(self.names.resolve, owner=owner))

    def has_effect(self, tool: str) -> bool:
        """Returns whether each call of that tool of the server counts: it must not be repeated."""
        found = self.assistant.registry.get(tool)
        return found is not None and found.side_effect == "once"

    async def watch_keys(self) -> None:
        """Closes the sockets of keys that were removed, or may not use them any more; for ever."""
        keys = self.keys
        while keys is not None:
            await anyio.sleep(WATCH_S)
            ring = keys.current()
            self.sockets.close_revoked({key.id for key in ring if "realtime" in key.scopes})

    def add(self, part: object) -> None:
        """Adds the object of a protocol; there is one of each class."""
        self._parts[type(part)] = part

    def get(self, kind: type[T]) -> T:
        """Returns the object of that class."""
        return cast(T, self._parts[kind])

    def drain(self) -> None:
        """Lets no further turn begin; /ready says so, and the WebSockets are told."""
        self.ready = False
        self.turn_queue.draining = True
        self.sockets.draining.set()


def get_state(connection: HTTPConnection) -> ServerState:
    """Returns the state of the server that a request or WebSocket came to."""
    return cast(ServerState, connection.app.state.server)
