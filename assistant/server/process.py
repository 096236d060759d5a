"""The process: begins when the engine is loaded, ends when the turns have.

SIGTERM or Ctrl-C: /ready says no, and no turn begins; after `drain_s` the port is closed; the turns
that run may end, within `shutdown_s`, then they are cancelled; all of them are stored. The port
stays open as long as WebSockets do, which take no further turns. A second signal cuts the rest
short.

A stop is a stop: a thread of a tool or an engine that hangs can't be ended, so the process exits by
`os._exit`, without waiting for anything, GRACE_S after `shutdown_s`, and FORCED_S after a second
signal.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from functools import partial
from types import FrameType
from typing import cast

import anyio
import uvicorn
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from assistant.config import ServerSettings
from assistant.errors import AssistantError
from assistant.server.http.connections import Connections, LimitedProtocol

logger = logging.getLogger(__name__)


GRACE_S = 5.0
"""Seconds that the cancelled turns and the lifespan have to end, after `shutdown_s`."""
FORCED_S = 1.0
"""Seconds that the process goes on after a second signal."""
FORCED_EXIT = 70
"""The exit code of a process that had to be cut short (EX_SOFTWARE)."""


def exit_within(seconds: float) -> None:
    """Ends the process after that time, whatever it does then."""
    timer = threading.Timer(seconds, _exit_now)
    timer.daemon = True
    timer.start()


def _exit_now() -> None:
    logger.error("The process did not stop in time, and is ended")
    logging.shutdown()
    os._exit(FORCED_EXIT)


class Server(uvicorn.Server):
    """uvicorn, with a time before the port is closed, and one line for what keeps it from starting.

    `failure` is that line, where it is for people.
    """

    def __init__(self, app: FastAPI, settings: ServerSettings, *, grace_s: float = GRACE_S) -> None:
        seconds = max(1, round(settings.shutdown_s))
        protocol = partial(LimitedProtocol, limited=Connections(settings.limits))
        super().__init__(
            uvicorn.Config(
                self._reporting,
                interface="asgi3",
                http=cast(type[asyncio.Protocol], protocol),
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=seconds,
                ws_max_size=settings.sockets.max_message_bytes,
                ws_per_message_deflate=False,  # audio in base64 hardly gets smaller
            )
        )
        self.failure: AssistantError | None = None
        self._app = app
        self._drain_s = settings.drain_s
        self._shutdown_s = settings.shutdown_s
        self._grace_s = grace_s
        self._drain_until: float | None = None
        self._signals = 0

    def run_until_stopped(self, listener: socket.socket) -> None:
        """Returns once the server has stopped. Raises AssistantError when it can't start."""
        uvicorn_log = logging.getLogger("uvicorn.error")
        uvicorn_log.addFilter(self._worth_a_line)
        try:
            self.run([listener])
        except KeyboardInterrupt:
            logger.info("Stopped before the start")
        except SystemExit:
            if self.failure is None:
                raise
        finally:
            uvicorn_log.removeFilter(self._worth_a_line)
            listener.close()
        if self.failure is not None:
            raise self.failure

    def _worth_a_line(self, record: logging.LogRecord) -> bool:
        return self.failure is None

    async def _reporting(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            error = sys.exc_info()[1]
            if message["type"] == "lifespan.startup.failed" and isinstance(error, AssistantError):
                self.failure = error
                message = {**message, "message": ""}  # instead of a traceback
            await send(message)

        await self._app(scope, receive, told if scope["type"] == "lifespan" else send)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.started:
            raise KeyboardInterrupt
        self._signals += 1
        if self._signals > 1:
            self.should_exit = self.force_exit = True
            exit_within(FORCED_S)
            return
        exit_within(self._drain_s + self._shutdown_s + self._grace_s)
        logger.info("%s: no turn begins from here on", signal.Signals(sig).name)
        self._app.state.server.drain()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second, in uvicorn's main loop."""
        if self._signals and not self.should_exit:
            now, sockets = anyio.current_time(), self._app.state.server.sockets
            if self._drain_until is None:
                self._drain_until = now + self._drain_s
            # uvicorn would close the WebSockets first; they end by themselves (http/websockets.py).
            over = not sockets.open or now >= self._drain_until + self._shutdown_s
            self.should_exit = now >= self._drain_until and over
        return await super().on_tick(counter)
