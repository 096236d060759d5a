"""Audio from a URL: only from the public internet, checked at the address of the connection."""

from __future__ import annotations

import base64
import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest

from assistant.errors import AudioError
from assistant.server.audio.fetch import FetchLimits, fetch_audio, is_public
from assistant.server.audio.names import Address, NameResolver

pytestmark = pytest.mark.anyio

LIMITS = FetchLimits(max_bytes=10_000, timeout_s=10.0)
Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def web_server(respond: Respond) -> Iterator[int]:
    """A server on this machine; `respond` writes its answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            respond(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(data: bytes, status: int = 200, **headers: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return respond


class Names:
    """A resolver of a test: one list of addresses for each time that it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ip_address(text) for text in answer]


HERE = Names(["127.0.0.1"])


def anywhere(address: Address) -> bool:
    return True


async def fetch(url: str, names: Names = HERE, limits: FetchLimits = LIMITS) -> bytes:
    return await fetch_audio(url, limits, is_public=anywhere, resolve=names)


async def refused(respond: Respond, match: str, limits: FetchLimits = LIMITS) -> None:
    """Asserts that a server's response is refused with an error that matches."""
    with web_server(respond) as port, pytest.raises(AudioError, match=match):
        await fetch(f"http://x.example:{port}/", limits=limits)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
        "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::", "2002:c0a8:101::", "2001:0:0:0:0:0:80ff:fffe",
    ],
)  # fmt: skip
async def test_an_address_of_a_private_network_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    "text", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
async def test_an_address_of_the_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0", "127.1"],
)
async def test_the_local_machine_is_refused_in_every_notation(host: str) -> None:
    with pytest.raises(AudioError, match=r"not on the public internet|not a URL"):
        await fetch_audio(f"http://{host}:1/a.wav", LIMITS, resolve=NameResolver().resolve)


async def test_a_name_with_one_private_address_is_refused() -> None:
    names = Names(["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AudioError, match=r"not on the public internet"):
        await fetch_audio("http://mixed.example/a.wav", LIMITS, resolve=names)


async def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(AudioError, match=r"not on the public internet"):
        await fetch_audio("http://none.example/a.wav", LIMITS, resolve=Names([]))


async def test_unknown_and_internal_names_get_the_same_answer() -> None:
    async def unknown(host: str, port: int) -> list[Address]:
        raise OSError("no such name")

    answers = set()
    for resolve in (unknown, Names([]), Names(["10.0.0.1"])):
        with pytest.raises(AudioError) as refused:
            await fetch_audio("http://build.corp.example/a.wav", LIMITS, resolve=resolve)
        answers.add((str(refused.value), refused.value.hint))
    assert len(answers) == 1


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    hosts: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        hosts.append(handler.headers["Host"])
        answer(b"sound")(handler)

    with web_server(respond) as port:
        names = Names(["127.0.0.1"], ["203.0.113.1"])  # the address of a second lookup
        assert await fetch(f"http://rebound.example:{port}/a.wav?x=1", names) == b"sound"
    assert names.asked == ["rebound.example"]
    assert hosts == [f"rebound.example:{port}"]


async def test_each_redirect_is_checked_as_a_url_of_its_own() -> None:
    checked: list[Address] = []

    def first_only(address: Address) -> bool:
        checked.append(address)
        return len(checked) == 1

    with web_server(answer(b"", 302, Location="http://inside.example/secret")) as port:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        with pytest.raises(AudioError, match=r"not on the public internet"):
            await fetch_audio(
                f"http://out.example:{port}/", LIMITS, is_public=first_only, resolve=names
            )
    assert [str(address) for address in checked] == ["127.0.0.1", "10.0.0.1"]
    assert names.asked == ["out.example", "inside.example"]


async def test_a_relative_redirect_is_followed_from_the_place_of_its_url() -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/folder/a":
            answer(b"", 307, Location="b.wav")(handler)
        else:
            answer(handler.path.encode())(handler)

    with web_server(respond) as port:
        assert await fetch(f"http://x.example:{port}/folder/a") == b"/folder/b.wav"


async def test_redirects_in_a_circle_end() -> None:
    with (
        web_server(answer(b"", 302, Location="/again")) as port,
        pytest.raises(AudioError, match="more than 3 times"),
    ):
        await fetch(f"http://x.example:{port}/")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "data:,x", "ftp://x.example/"])
async def test_a_redirect_to_another_scheme_is_refused(location: str) -> None:
    with (
        web_server(answer(b"", 302, Location=location)) as port,
        pytest.raises(AudioError, match=r"begins with https:|fetched: InvalidURL"),
    ):
        await fetch(f"http://x.example:{port}/")


async def test_an_oversized_body_is_refused_whether_declared_or_not() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            return

    for respond in (endless, answer(b"x" * 10_001)):
        with (
            web_server(respond) as port,
            pytest.raises(AudioError, match="larger than 10000 bytes"),
        ):
            await fetch(f"http://x.example:{port}/")
    with web_server(answer(b"x" * 10_000)) as port:
        assert len(await fetch(f"http://x.example:{port}/")) == 10_000


async def test_compressed_data_is_refused() -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)
    with (
        web_server(answer(bomb, Content_Encoding="gzip")) as port,
        pytest.raises(AudioError, match="packed"),
    ):
        await fetch(f"http://x.example:{port}/")


async def test_a_server_that_never_answers_times_out() -> None:
    done = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        done.wait(20)

    await refused(hang, r"within 0\.05 seconds", FetchLimits(timeout_s=0.05))
    done.set()


@pytest.mark.parametrize("status", [204, 304, 401, 404, 500])
async def test_anything_but_a_200_is_an_error(status: int) -> None:
    with (
        web_server(answer(b"", status)) as port,
        pytest.raises(AudioError, match=f"answered {status}"),
    ):
        await fetch(f"http://x.example:{port}/")


async def test_a_closed_port_is_an_error_that_does_not_contain_the_url() -> None:
    with pytest.raises(AudioError) as caught:
        await fetch("http://x.example:1/token-in-path")
    assert "can't be fetched" in str(caught.value)
    assert "token" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "a.wav", "/etc/passwd", "file:///etc/passwd", "ftp://x.example/a", "http://", "http:///a",
     "gopher://x", "http://user:pass@x.example/a", "https://[", "http://x.example:99999/",
     "data:audio/wav", "data:;base64,%%%"],
)  # fmt: skip
async def test_an_invalid_url_is_an_error_of_one_line(url: str) -> None:
    with pytest.raises(AudioError) as caught:
        await fetch(url)
    assert "\n" not in str(caught.value)


async def test_data_urls_hold_the_audio_itself() -> None:
    data = bytes(range(256))
    text = base64.b64encode(data).decode()
    for url in (
        f"data:audio/wav;base64,{text}",
        f"DATA:audio/wav;codecs=1;BASE64,{text.rstrip('=')}",
        f"data:;base64,{base64.urlsafe_b64encode(data).decode()}",
        "data:application/octet-stream," + "".join(f"%{byte:02x}" for byte in data),
    ):
        assert await fetch(url) == data
    with pytest.raises(AudioError, match="larger"):
        await fetch("data:," + "x" * 10_001)
