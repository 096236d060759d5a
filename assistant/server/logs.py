"""The log of a server: one line each, with the request it belongs to, and nothing of what was said.

What people say, and what tools are asked, gets into exceptions: a ValueError names the value. So a
traceback is logged with its places and types but without its messages, unless `log_content` is set.
"""

from __future__ import annotations

import copy
import logging
import sys
import traceback
from types import TracebackType
from typing import TextIO

from assistant.errors import AssistantError, ToolError
from assistant.events import Event, ToolCallFinished, ToolCallStarted, Transcript, TurnEnded
from assistant.server.http.request_log import RequestIdFilter

logger = logging.getLogger(__name__)

FORMAT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"
CHATTY = ("httpx", "httpcore")
"""They log whole URLs, which hold what a tool looks for."""
WITHHELD = "(message withheld; see log_content)"

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class PrivateFormatter(logging.Formatter):
    """Logs of an exception only its type and the place where it was raised."""

    def format(self, record: logging.LogRecord) -> str:
        record = copy.copy(record)  # other handlers keep theirs
        record.exc_text = None
        if isinstance(record.args, tuple):
            record.args = tuple(
                _named(value) if isinstance(value, BaseException) else value
                for value in record.args
            )
        return super().format(record)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - the name is logging's
        lines: list[str] = []
        error = ei[1]
        while error is not None:
            lines += [*traceback.format_tb(error.__traceback__), f"{_named(error)}\n"]
            error = error.__cause__ or error.__context__
        return "".join(lines).rstrip()


def _named(error: BaseException) -> str:
    """Our own errors hold no content, but for what a tool says."""
    if isinstance(error, AssistantError) and not isinstance(error, ToolError):
        return str(error)
    return f"{type(error).__name__} {WITHHELD}"


class WithoutQueries(logging.Filter):
    """uvicorn names the whole URL of each WebSocket; our own line for it has no query string."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.name == "uvicorn.error" and '"WebSocket ' in str(record.msg))


def install_logs(*, log_content: bool, stream: TextIO | None = None) -> logging.Handler:
    """Sends the log of the whole program to `stream` (standard error), from INFO on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(RequestIdFilter())
    handler.addFilter(WithoutQueries())
    handler.setFormatter(logging.Formatter(FORMAT) if log_content else PrivateFormatter(FORMAT))
    if not log_content:
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # ours has no query strings
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler


def log_content(event: Event) -> None:
    """What was said, and what tools were asked and answered; only where the settings say so."""
    match event:
        case Transcript():
            logger.info("The user said: %s", event.text)
        case ToolCallStarted():
            logger.info("Call %s: %s %s", event.call_id, event.name, event.arguments)
        case ToolCallFinished():
            logger.info("Call %s: %s: %s", event.call_id, event.outcome, event.result)
        case TurnEnded():
            logger.info("The assistant said: %s", event.text)
