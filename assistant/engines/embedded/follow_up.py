"""Understands "and in Oslo?": the request before it, with one thing changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from assistant.engines.embedded.arguments import fill_answer, typed_value
from assistant.engines.embedded.effort import Effort
from assistant.engines.embedded.lexicon import word_class
from assistant.engines.embedded.parameters import Parameter, parameters_of, takes_words
from assistant.engines.embedded.planner import Request, plan
from assistant.engines.embedded.words import (
    PREPOSITIONS,
    QUESTION_WORDS,
    span_text,
    tokens,
)
from assistant.messages import AssistantMessage, Message, ToolCall, ToolSchema

_MAX_WORDS = 6  # a longer request is complete by itself
_NAME_WORDS = 2
_REQUEST_OF_ITS_OWN = 0.6


def follow_up(
    text: str, messages: Sequence[Message], tools: Sequence[ToolSchema], effort: Effort
) -> Request | None:
    """Returns the request that the text continues; None if it continues none."""
    rest = _without_opening(text)
    call = _last_call(messages)
    tool = next((tool for tool in tools if call and tool.name == call.name), None)
    if not rest or not call or not tool:
        return None
    own = plan(rest, tools, effort, openings=False)
    if own and not own[0].missing and own[0].score > _REQUEST_OF_ITS_OWN:
        return None
    before = _arguments_of(call)
    if before is None:
        return None
    changed = _changed(rest, list(parameters_of(tool.parameters)))
    return Request(tool, {**before, **changed}, (), 1.0) if changed else None


def _without_opening(text: str) -> str:
    """Returns the text after the opening of a follow-up; empty if it has none."""
    words = tokens(text)
    said = [token.word for token in words]
    openings = (opening.split(",") for opening in word_class("follow_up"))
    lengths = [len(opening) for opening in openings if said[: len(opening)] == opening]
    rest = words[max(lengths, default=0) :]
    while rest and rest[-1].word in word_class("function"):
        rest = rest[:-1]
    if not lengths or not rest or len(rest) > _MAX_WORDS or rest[0].word in QUESTION_WORDS:
        return ""
    # After only "and", more than a name or "in ..." may be another request.
    if max(lengths) == 1 and len(rest) > _NAME_WORDS and rest[0].word not in PREPOSITIONS:
        return ""
    return span_text(text, rest)


def _last_call(messages: Sequence[Message]) -> ToolCall | None:
    """Returns the last call of the response before; a follow-up reaches no further back."""
    answers = [message for message in messages if isinstance(message, AssistantMessage)]
    calls = [call for answer in answers[-2:] for call in answer.calls if not call.problem]
    return calls[-1] if calls else None


def _arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """Returns the arguments of a call; None if they are no JSON object.

    A call in the history may be a client's own text, which nothing has checked.
    """
    try:
        values = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _changed(text: str, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Returns the argument in the text: one of a clear type, otherwise the first that is words."""
    for parameter in parameters:
        value = typed_value(text, parameter)
        if value is not None:
            return {parameter.name: value}
    for parameter in sorted(filter(takes_words, parameters), key=lambda one: not one.required):
        value = fill_answer(text, parameter)
        if value is not None:
            return {parameter.name: value}
    return {}
