"""Connections are limited before there is a request."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from fastapi import FastAPI

from assistant.config import LimitSettings
from assistant.server.http.connections import Connections, LimitedProtocol
from tests.support.serving import running


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        yield client


@contextmanager
def serving(**limits: float) -> Iterator[int]:
    """Yields the port of an app that answers 404 to everything."""
    limited = Connections(LimitSettings.model_validate(limits))
    with running(FastAPI(), http=partial(LimitedProtocol, limited=limited)) as server:
        yield server.port


def is_closed_after_a_byte(client: socket.socket) -> bool:
    """Sends a byte, and returns whether the server has closed the connection."""
    try:
        client.sendall(b"x")
        return not client.recv(10_000)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Half: "])
def test_a_connection_without_a_whole_header_is_closed(sent: bytes) -> None:
    with serving(header_timeout_s=0.2) as port, connected(port) as client:
        client.sendall(sent)
        assert client.recv(1_000) == b""


def test_a_second_header_that_stays_half_is_closed_too() -> None:
    with serving(header_timeout_s=0.3) as port, connected(port) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(10_000).startswith(b"HTTP/1.1 404")
        client.sendall(b"GET /health HTTP/1.1\r\n")
        while client.recv(10_000):
            pass


def test_a_body_that_goes_on_after_its_response_is_cut_off() -> None:
    with serving(header_timeout_s=0.3) as port, connected(port) as client:
        client.sendall(b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert client.recv(10_000).startswith(b"HTTP/1.1 404")
        client.settimeout(0.05)
        assert any(is_closed_after_a_byte(client) for _ in range(100))


def test_a_body_that_ends_soon_after_its_response_keeps_the_connection() -> None:
    head = b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
    with serving(header_timeout_s=20) as port, connected(port) as client:
        for _ in range(2):
            client.sendall(head)
            answer = b""
            while b'"Not Found"}' not in answer:  # header and body may come one by one
                part = client.recv(10_000)
                assert part, "the connection was closed"
                answer += part
            client.sendall(b"{}")


def test_one_connection_too_many_is_told_to_come_later() -> None:
    with serving(max_connections=1) as port, connected(port):
        with connected(port) as second:
            answer = b""
            while part := second.recv(10_000):
                answer += part
        assert answer.startswith(b"HTTP/1.1 503")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head


@pytest.mark.parametrize(
    ("address", "has_place"), [("203.0.113.7", False), ("127.0.0.1", True), ("::1", True)]
)
def test_one_address_may_not_have_all_connections(address: str, has_place: bool) -> None:
    connections = Connections(LimitSettings(max_connections_per_address=2))
    connections.by_address[address] = 3
    assert connections.has_place(3, address) is has_place
