"""Turns what a tool returned into text for the model and data for the caller's program.

The text stays plain: a result that spells out one of the model's special tokens is encoded as text
by the engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from assistant.plugins.context import ToolResult


def as_result(value: Any) -> ToolResult:
    """Any value that a tool may return. Raises TypeError or ValueError for what JSON can't hold."""
    if value is None:
        return ToolResult("done")
    if isinstance(value, ToolResult):
        if not isinstance(value.text, str):
            raise TypeError(f"ToolResult.text is {type(value.text).__name__}, not text")
        return ToolResult(clean(value.text), value.data, value.voice)
    if isinstance(value, str):
        return ToolResult(clean(value))
    if isinstance(value, (Iterator, AsyncIterator)):  # it may have no end
        raise TypeError(f"{type(value).__name__} is no answer, but a way to get one")
    text = to_json(value, inf_nan_mode="null").decode()
    return ToolResult(clean(text), to_jsonable_python(value, inf_nan_mode="null"))


def clean(text: str) -> str:
    """Half a surrogate pair, which no encoding can write, becomes a question mark."""
    return str.__str__(text).encode("utf-8", "replace").decode()


def cut(text: str, limit: int) -> str:
    """Returns at most `limit` characters (>= 100), cut between words if possible, with a note about
    it.
    """
    if len(text) <= limit:
        return text
    note = f" … [cut: {len(text)} characters in all]"
    kept = text[: limit - len(note)]
    if not text[len(kept)].isspace():
        words = kept.rsplit(maxsplit=1)[0]
        # Without a space near the end (Chinese, a long link) the cut goes where it must.
        kept = words if len(words) > 0.8 * len(kept) else kept
    return kept.rstrip() + note
