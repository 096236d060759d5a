"""Keys that a caller presses: those that follow one another quickly are one message."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from assistant.live.clock import Clock, wait_until

MOST = 64


class Digits:
    """`say` is given each message: what was pressed, without the # that ends it."""

    def __init__(self, clock: Clock, pause_s: float, say: Callable[[str], None]) -> None:
        self._clock = clock
        self._pause_s = pause_s
        self._say = say
        self._typed = ""
        self._pressed = anyio.Event()

    def press(self, key: str) -> None:
        if key == "#":
            self._flush()
        else:
            self._typed += key
            if len(self._typed) >= MOST:
                self._flush()
        self._pressed.set()

    async def run(self) -> None:
        """Ends messages by a pause, until it is cancelled."""
        while True:
            self._pressed = anyio.Event()
            if not self._typed:
                await self._pressed.wait()
            elif not await wait_until(
                self._pressed, self._clock, self._clock.now() + self._pause_s
            ):
                self._flush()

    def _flush(self) -> None:
        typed, self._typed = self._typed, ""
        if typed:
            self._say(typed)
