"""The effort that planning an utterance may take, counted in steps rather than in seconds."""

from __future__ import annotations

from collections.abc import Callable

MAX_STEPS = 400_000
"""Comparisons of a word of the utterance with a word of an example: about half a second.

Utterances of 40 words that people said took at most a tenth of it.
"""


class Effort:
    """Counts the steps of planning, and says when the search for further readings has to end.

    `stopped` is True once nobody waits for the result any more.
    """

    def __init__(
        self, max_steps: int = MAX_STEPS, *, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.steps = 0
        self._max_steps = max_steps
        self._stopped = stopped

    def spend(self, steps: int) -> None:
        """Counts steps that are about to be taken."""
        self.steps += steps

    @property
    def exhausted(self) -> bool:
        """True if no further reading should be tried."""
        return self.steps > self._max_steps or self._stopped()
