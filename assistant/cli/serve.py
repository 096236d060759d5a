"""`assistant serve`: the assistant over HTTP, in the dialects that voice clients already speak."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from assistant.assistant import Assistant
from assistant.cli.options import (
    EngineName,
    ModelPath,
    SettingsFile,
    ToolFolders,
    VoiceId,
    settings_from,
)
from assistant.config import Settings
from assistant.errors import AssistantError, SettingsError

if TYPE_CHECKING:
    from fastapi import FastAPI

SWITCH_S = 0.0005


def serve(
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Listen here; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="8000 by default; 0 takes a free one.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="API keys; see `assistant keys add`.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on other addresses without keys.")
    ] = False,
    engine: EngineName = None,
    model: ModelPath = None,
    voice: VoiceId = None,
    tools: ToolFolders = None,
    settings: SettingsFile = None,
) -> None:
    """Answer over HTTP: OpenAI's API, sessions, voices and tools. /docs shows all of it."""
    table = {"host": host, "port": port, "keys": keys, "insecure": insecure or None}
    values = settings_from(settings, tools, engine=engine, model=model, voice=voice, server=table)
    app = _create_app(values, tools)
    _run(app, values)


def _create_app(values: Settings, folders: list[Path] | None) -> FastAPI:
    try:
        from assistant.server import (
            create_app,
        )  # imported here so that other commands don't load it
    except ModuleNotFoundError as error:
        raise AssistantError(
            f"the package {error.name} is not installed", hint="pip install 'step-voice-assistant'"
        ) from error

    return create_app(assistant=Assistant(values, strict_folders=folders or ()))


def _run(app: FastAPI, values: Settings) -> None:
    from assistant.server.logs import install_logs
    from assistant.server.process import Server

    limits = values.server.limits
    listener = _listen(values.server.host, values.server.port, stall_s=limits.stall_s)
    install_logs(log_content=values.server.log_content)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    Console(stderr=True).print(f"{address}  (talk to it: {address}/, docs: /docs)", highlight=False)
    # Engines and tools work in threads. Each time one of them runs, the event loop, and with it
    # every call's next packet, waits this long for its turn; the default is 5 ms for each thread.
    sys.setswitchinterval(SWITCH_S)
    Server(app, values.server).run_until_stopped(listener)


def _listen(host: str, port: int, *, stall_s: float = 30.0) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol must be TCP by name, or asyncio leaves Nagle's algorithm on: 40 ms per answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Otherwise a client that reads nothing keeps its connection for ever: closing waits
            # until all that was written has been read.
            timeout_ms = max(1_000, int(stall_s * 1_000))
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        listener.bind((host, port))  # uvicorn listens, once the engine is loaded
    except OSError as error:
        listener.close()
        in_use = error.errno == errno.EADDRINUSE
        hint = "another program listens there; choose another --port" if in_use else ""
        why = error.strerror or str(error)
        raise SettingsError(f"can't listen on {host} port {port}: {why}", hint=hint) from error
    return listener
