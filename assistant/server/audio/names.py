"""Looks up the names of hosts that callers choose, in threads of their own.

The system's resolver can't be cancelled: a name whose servers don't answer (a tarpit) holds its
thread for tens of seconds after the caller was told that it took too long. Such a thread keeps its
place until it really ends, and the places are bounded three times: for each name, for each owner
and for all together. So a tarpit stops lookups of itself and, at worst, of the owner who asked for
it. asyncio's own threads are left to names of the settings, such as Twilio's and the weather's.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from assistant.concurrency import Signal, call_in_daemon_thread

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LookUp = Callable[[str, int], Sequence[Address]]

MAX_LOOKUPS = 128
MAX_PER_OWNER = 16
MAX_PER_NAME = 2


def system_look_up(host: str, port: int) -> Sequence[Address]:
    """Returns the addresses of a name, by the system's resolver; blocks. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(entry[4][0]) for entry in found]


class NameResolver:
    """Runs `look_up` in daemon threads, a bounded number at a time.

    `max_per_owner` holds for lookups of one API key, and `max_per_name` for those of one name by
    one owner.
    """

    def __init__(
        self,
        look_up: LookUp = system_look_up,
        *,
        max_lookups: int = MAX_LOOKUPS,
        max_per_owner: int = MAX_PER_OWNER,
        max_per_name: int = MAX_PER_NAME,
    ) -> None:
        self._look_up = look_up
        self._max_lookups = max_lookups
        self._max_per_owner = max_per_owner
        self._max_per_name = max_per_name
        self._owners: Counter[str] = Counter()
        self._names: Counter[tuple[str, str]] = Counter()
        self._ended = Signal()

    @property
    def running(self) -> int:
        """The number of lookups that run, abandoned ones included."""
        return self._owners.total()

    async def resolve(self, host: str, port: int, owner: str = "") -> Sequence[Address]:
        """Returns the addresses of a name; waits while no place is free. Raises OSError.

        It has no time limit of its own. A cancelled lookup returns at once, while its thread keeps
        its place until the system's resolver gives up.
        """
        name = (owner, host.lower().rstrip("."))
        while self._is_full(name):
            await self._ended.wait()
        self._owners[owner] += 1
        self._names[name] += 1
        return await call_in_daemon_thread(
            partial(self._look_up, host, port),
            name="name lookup",
            ended=partial(self._release, name),
        )

    def _is_full(self, name: tuple[str, str]) -> bool:
        return (
            self.running >= self._max_lookups
            or self._owners[name[0]] >= self._max_per_owner
            or self._names[name] >= self._max_per_name
        )

    def _release(self, name: tuple[str, str]) -> None:
        self._owners -= Counter([name[0]])  # forgets those that have none left
        self._names -= Counter([name])
        self._ended.notify()
