"""Finds tool calls in the text that a model writes, in Step-Audio 2's format:

    <tool_call>function\n{name}\n{json arguments}</tool_call>

The parser is total: it takes any text in any pieces, never raises, and turns a malformed call into
a `ToolCall` whose `problem` the model can read and repair. Everything else stays text.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import NoReturn

from assistant.events import TextDelta
from assistant.messages import ToolCall

OPEN = "<tool_call>"
CLOSE = "</tool_call>"
MAX_CALL_CHARS = 65_536
"""A longer call is given up: a model that runs wild can't fill the memory."""

Parsed = TextDelta | ToolCall

_FORM = f"write {OPEN}function, then the tool's name, then its arguments as JSON, then {CLOSE}"
_NAME = r"[^\s{}\[\]()<>\"',\ud800-\udfff]{1,128}"
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HEAD = re.compile(rf"\s*(?:function[ \t\r]*\n\s*)?(?P<name>{_NAME})?\s*")


def new_call_id() -> str:
    """An id that no other call has."""
    return f"call_{uuid.uuid4().hex[:24]}"


def format_call(call: ToolCall) -> str:
    """The call as a model writes it; the parser reads the same name and arguments back."""
    # Inside JSON a `<` can only stand in a string, where the escape means the same character.
    arguments = call.arguments.replace(CLOSE, "\\u003c" + CLOSE[1:])
    return f"{OPEN}function\n{call.name}\n{arguments}{CLOSE}"


class ToolCallParser:
    """Splits a stream of text into the text itself and the calls in it, in order."""

    def __init__(
        self, make_id: Callable[[], str] = new_call_id, *, max_call_chars: int = MAX_CALL_CHARS
    ) -> None:
        self._make_id = make_id
        self._limit = max_call_chars
        self._held = ""  # outside: a beginning of OPEN at most; inside: the call so far
        self._inside = False
        self._skipping = False  # inside a call that was abandoned

    def feed(self, text: str) -> list[Parsed]:
        """The next piece of the stream; returns what is certain by now."""
        self._held += text
        return _joined(self._advance())

    def finish(self) -> list[Parsed]:
        """The stream has ended: a call that was not closed is taken as it stands.

        The parser may then be used for another stream.
        """
        held, inside, skipping = self._held, self._inside, self._skipping
        self._held, self._inside, self._skipping = "", False, False
        if skipping or not (held or inside):
            return []
        return list(self._read(held)) if inside else [TextDelta(held)]

    def _advance(self) -> Iterator[Parsed]:
        while True:
            tag = CLOSE if self._inside else OPEN
            before, found, after = self._held.partition(tag)
            if not found:
                yield from self._hold(tag)
                return
            self._held = after
            yield from self._end_call(before) if self._inside else _text(before)
            self._inside = not self._inside

    def _hold(self, tag: str) -> Iterator[Parsed]:
        """Releases the text that can't be part of a tag."""
        certain = len(self._held) - _overlap(self._held, tag)
        if not self._inside:
            yield from _text(self._held[:certain])
            self._held = self._held[certain:]
        elif self._skipping:
            self._held = self._held[certain:]
        elif certain > self._limit:
            yield self._too_long(self._held[: self._limit])
            self._held, self._skipping = self._held[certain:], True

    def _end_call(self, body: str) -> Iterator[Parsed]:
        if self._skipping:
            self._skipping = False
        elif len(body) > self._limit:
            yield self._too_long(body[: self._limit])
        else:
            yield from self._read(body)

    def _read(self, body: str) -> Iterator[ToolCall]:
        call = self._call(body)
        if not call.problem or OPEN not in body:
            yield call
            return
        # The model forgot to close a call before it opened the next one.
        for part in [part for part in body.split(OPEN) if part.strip()] or [""]:
            yield self._call(part)

    def _call(self, body: str) -> ToolCall:
        name, arguments, problem = _read_call(body)
        return ToolCall(self._make_id(), name, arguments, problem)

    def _too_long(self, body: str) -> ToolCall:
        name, arguments, _ = _read_call(body)
        problem = f"the call is longer than {self._limit} characters and was not read to its end"
        return ToolCall(self._make_id(), name, arguments, f"{problem}; send a shorter one")


def _read_call(body: str) -> tuple[str, str, str]:
    """Name, arguments and problem of what stands between the tags."""
    head = _HEAD.match(body)
    name = (head["name"] if head else None) or ""
    rest = body[head.end() :] if head else body
    if name == "function" and not (rest or "\n" in body.strip()):
        name = ""  # the line that comes before every name, alone
    arguments = rest.strip() or "{}"
    if not name:
        return _read_json_call(body)
    return name, arguments, _problem(arguments)


def _read_json_call(body: str) -> tuple[str, str, str]:
    """The form that Qwen models were trained on: {"name": ..., "arguments": {...}}."""
    text = body.strip().removeprefix("function").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and isinstance(value.get("name"), str) and "arguments" in value:
        name = value["name"].strip()
        arguments = _as_json(value["arguments"])
        # Another name could not be read back once the call is written in the usual form.
        if re.fullmatch(_NAME, name):
            return name, arguments, _problem(arguments)
    return "", text, f"the call names no tool; {_FORM}"


def _as_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Half of a surrogate pair has no UTF-8: it stays an escape, as the model wrote it.
    return json.dumps(value) if _SURROGATE.search(text) else text


def _problem(arguments: str) -> str:
    try:
        value = json.loads(arguments, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return f"the arguments are not valid JSON ({error.msg}: {where}); send the call again"
    except (ValueError, RecursionError) as error:
        return f"the arguments are not valid JSON ({error}); send the call again"
    if isinstance(value, dict):
        return ""
    return 'the arguments must be one JSON object such as {"key": "value"}; send the call again'


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _overlap(text: str, tag: str) -> int:
    """Returns how many characters at the end of `text` may be the beginning of `tag`."""
    longest = min(len(text), len(tag) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(tag[:n])), 0)


def _text(text: str) -> Iterator[TextDelta]:
    if text:
        yield TextDelta(text)


def _joined(items: Iterator[Parsed]) -> list[Parsed]:
    """Joins neighboring pieces of text."""
    joined: list[Parsed] = []
    for item in items:
        last = joined[-1] if joined else None
        if isinstance(item, TextDelta) and isinstance(last, TextDelta):
            joined[-1] = TextDelta(last.text + item.text)
        else:
            joined.append(item)
    return joined
