"""Rescoring: among the recognizer's hypotheses, takes the one that asks for a tool.

The recognizer knows general English and not the tools: "well it rained in london on monday" and
"will it rain in london on monday" are alike to it. Its best hypothesis stands if it asks for a
tool, or if no other one does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assistant.engines.embedded.asr import Recognition
from assistant.engines.embedded.effort import Effort
from assistant.engines.embedded.phrases import small_talk
from assistant.engines.embedded.planner import Request, plan
from assistant.messages import ToolSchema

_GOOD = 0.65  # a hypothesis with this score needs no other
_BETTER = 0.05  # the margin by which another hypothesis must be better
_RANK_COST = 0.004  # weight of the recognizer's own order
_LACKING = 0.1


def understood(
    recognition: Recognition,
    tools: Sequence[ToolSchema],
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[str, tuple[Request, ...]]:
    """Returns the words that were most likely said, and the requests in them.

    Each hypothesis has an effort of its own; none is planned once `stopped()` is true.
    """
    if small_talk(recognition.text)[0]:
        return recognition.text, ()
    requests = plan(recognition.text, tools, Effort(stopped=stopped), certain=recognition.clear)
    best, text = _value(requests) + _BETTER, recognition.text
    if best >= _GOOD + _BETTER:
        return text, requests
    for rank, other in enumerate(recognition.others, 1):
        if stopped():
            break
        found = plan(
            other, tools, Effort(stopped=stopped), certain=recognition.clear, openings=False
        )
        value = _value(found) - _RANK_COST * rank
        if value > best:
            best, text, requests = value, other, found
    return text, requests


def _value(requests: Sequence[Request]) -> float:
    if not requests:
        return 0.0
    lacking = sum(bool(request.missing) for request in requests) * _LACKING
    return (sum(request.score for request in requests) - lacking) / len(requests)
