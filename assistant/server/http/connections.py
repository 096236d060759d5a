"""Limits of connections, before there is a request: a header in time, and how many at once.

uvicorn waits for ever for a header that never comes, and takes as many connections as there are
file descriptors. This protocol closes a connection without a whole header after
`header_timeout_s`, and answers 503 to one too many, of all or of one address. Addresses of this
machine have no limit of their own, because reverse proxies connect from there.

A response may be complete before its request is, such as a 401 or a 413. The rest of such a body
has as much time as a header: each byte of it would restart uvicorn's own timer.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from assistant.config import LimitSettings

_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b"retry-after: 5\r\nconnection: close\r\ncontent-length: 57\r\n\r\n"
    b'{"detail":"the server has no place for this connection"}\n'
)


@dataclass
class Connections:
    """The connections of one server: its limits, and how many each address has."""

    limits: LimitSettings
    by_address: Counter[str] = field(default_factory=Counter)

    def has_place(self, count: int, address: str) -> bool:
        """Returns whether there may be `count` connections, and as many of the address."""
        if count > self.limits.max_connections:
            return False
        most = self.limits.max_connections_per_address
        return self.by_address[address] <= most or _is_local(address)


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # a Unix socket
        return True


class LimitedProtocol(H11Protocol):
    """One connection, until it becomes a WebSocket."""

    def __init__(self, *args: Any, limited: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limited = limited
        self._address = ""
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._limited.by_address[self._address] += 1
        if self._limited.has_place(len(self.connections), self._address):
            self._await_header()
        else:
            transport.write(_REFUSAL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.transport.get_protocol() is not self:  # a WebSocket now, which has its own limits
            self._leave()
        elif self.conn.their_state is not h11.IDLE and not self._is_answered_early():
            self._stop_timer()
        elif self._header_timer is None:
            self._await_header()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_answered_early() and self._header_timer is None:
            self._await_header()

    def _is_answered_early(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def _await_header(self) -> None:
        wait_s = self._limited.limits.header_timeout_s
        self._header_timer = self.loop.call_later(wait_s, self.transport.close)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _leave(self) -> None:
        self._stop_timer()
        address, self._address = self._address, ""
        if address:
            self._limited.by_address[address] -= 1
            if not self._limited.by_address[address]:
                del self._limited.by_address[address]
