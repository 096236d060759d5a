"""Tracks how much of a response's audio was played.

Audio that is sent plays at once, in real time and without a gap, unless the caller reports
something else. Lead-ins in between are audio too, but not the response's own.
"""

from __future__ import annotations


class Playback:
    """The playback of one response. Times (`now`) are those of the conversation's clock, in
    seconds.
    """

    def __init__(self) -> None:
        self._pieces: list[
            tuple[float, bool]
        ] = []  # seconds, and whether they belong to the response
        self._total = 0.0
        self._end = 0.0  # when all that was sent will have been played
        self._left: float | None = None  # what was not played when it was paused

    @property
    def paused(self) -> bool:
        return self._left is not None

    def sent(self, seconds: float, now: float, *, own: bool = True) -> None:
        if self._pieces and self._pieces[-1][1] == own:
            seconds_before, _ = self._pieces.pop()
            self._pieces.append((seconds_before + seconds, own))
        else:
            self._pieces.append((seconds, own))
        self._total += seconds
        if self._left is None:
            self._end = max(self._end, now) + seconds
        else:
            self._left += seconds

    def pause(self, now: float) -> None:
        if self._left is None:
            self._left = self.left(now)

    def resume(self, now: float) -> None:
        if self._left is not None:
            self._end, self._left = now + self._left, None

    def reported(self, played: float, now: float) -> None:
        """Corrects the position: the listener has played `played` seconds of all that was sent."""
        left = max(0.0, self._total - max(0.0, played))
        if self._left is None:
            self._end = now + left
        else:
            self._left = left

    def left(self, now: float) -> float:
        """Seconds that are still to be played."""
        return max(0.0, self._end - now) if self._left is None else self._left

    def played(self, now: float) -> float:
        return max(0.0, self._total - self.left(now))

    def own(self, played: float) -> float:
        """Returns how much of the response's own audio is in the first `played` seconds of all
        audio.
        """
        own = 0.0
        for seconds, is_own in self._pieces:
            part = min(seconds, played)
            own += part if is_own else 0.0
            played -= part
            if played <= 0.0:
                break
        return own
