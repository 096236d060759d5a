"""Names that are never answered stop no other lookup."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from ipaddress import ip_address

import anyio
import pytest

from assistant.errors import AudioError
from assistant.server.audio.fetch import FetchLimits, fetch_audio
from assistant.server.audio.names import Address, NameResolver
from tests.support.serving import Serve

pytestmark = pytest.mark.anyio

IMPATIENT = FetchLimits(timeout_s=0.05)


class Tarpit:
    """A resolver that answers names beginning with `slow` once the test lets it."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.let_go.wait(20)
        return [ip_address("10.0.0.1")]


@pytest.fixture
def tarpit() -> Iterator[Tarpit]:
    made = Tarpit()
    yield made
    made.let_go.set()


async def give_up(names: NameResolver, host: str, owner: str = "") -> None:
    """Asserts that the URL is given up in time."""
    with pytest.raises(AudioError, match="did not answer within"):
        await fetch_audio(
            f"http://{host}/a.wav", IMPATIENT, resolve=partial(names.resolve, owner=owner)
        )


async def test_a_name_that_never_answers_stops_no_other_name(tarpit: Tarpit) -> None:
    names = NameResolver(tarpit)
    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(give_up, names, "slow.example")
    assert names.running == len(tarpit.asked) == 2
    with anyio.fail_after(10):
        assert await names.resolve("quick.example", 80) == [ip_address("10.0.0.1")]


async def test_an_owner_with_many_names_that_never_answer_stops_no_other_owner(
    tarpit: Tarpit,
) -> None:
    names = NameResolver(tarpit, max_per_owner=4)
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(give_up, names, f"slow{number}.example", "a")
    assert names.running == 4
    await give_up(names, "quick.example", "a")
    with anyio.fail_after(10):
        assert await names.resolve("quick.example", 80, "b") == [ip_address("10.0.0.1")]


def test_audio_urls_that_never_resolve_stop_no_other_audio_url(
    serve: Serve, tarpit: Tarpit
) -> None:
    server = serve(server={"limits": {"fetch_timeout_s": 0.5, "max_audio_urls": 4}})
    server.app.state.server.names = NameResolver(tarpit)

    def ask(host: str) -> str:
        url = {"type": "audio_url", "audio_url": {"url": f"http://{host}/a.wav"}}
        body = {"messages": [{"role": "user", "content": [url]}]}
        answer = server.client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 400
        return str(answer.json()["error"]["message"])

    for number in range(8):
        assert "did not answer" in ask(f"slow{number}.example")
    assert "not on the public internet" in ask("quick.example")


async def test_all_lookups_together_are_bounded_and_the_next_one_waits(tarpit: Tarpit) -> None:
    names = NameResolver(tarpit, max_lookups=3, max_per_owner=2)
    for number in range(5):
        await give_up(names, f"slow{number}.example", f"owner {number}")
    assert names.running == 3
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(names.resolve, "quick.example", 80)
        await anyio.lowlevel.checkpoint()
        assert "quick.example" not in tarpit.asked
        tarpit.let_go.set()
    assert tarpit.asked[-1] == "quick.example"


async def test_hanging_names_leave_the_threads_of_the_event_loop_free(tarpit: Tarpit) -> None:
    names = NameResolver(tarpit)
    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(give_up, names, f"slow{number}.example", f"owner {number}")
    assert names.running == 40
    with anyio.fail_after(10):
        assert await anyio.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)


async def test_an_unknown_name_is_an_os_error_and_leaves_its_place() -> None:
    def unknown(host: str, port: int) -> Sequence[Address]:
        raise socket.gaierror("no such name")

    names = NameResolver(unknown)
    for _ in range(3):
        with pytest.raises(OSError, match="no such name"):
            await names.resolve("none.example", 80)
    assert names.running == 0
