"""When a phrase is said while a tool runs, and which."""

from __future__ import annotations

from random import Random

from assistant.live.phrases import Phrases
from assistant.messages import ToolSchema

DEFAULT_LIMIT_S = 0.7
"""Silence begins to feel long."""

_PHRASES = ("Let me check.", "One moment.", "I'll look into it.", "Just a second.")


class LeadIns:
    """Shared by the conversations of a server."""

    def __init__(self, phrases: Phrases, seed: int = 0) -> None:
        self.phrases = phrases
        self._random = Random(seed)

    def limit_s(self, tool: str) -> float:
        """How long to wait for the tool before a phrase is said."""
        return DEFAULT_LIMIT_S

    def observed(self, tool: str, seconds: float) -> None:
        """A call of the tool took so long."""

    def next(self, tool: ToolSchema | None, language: str, last: str) -> str:
        """What to say; never `last`."""
        own = tool.lead_in if tool else ""
        if own and own != last and language.partition("-")[0] in ("", "en"):
            return own
        return self._random.choice([text for text in _PHRASES if text != last])
