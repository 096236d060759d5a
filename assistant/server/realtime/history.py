"""What clients do to items, done to the history of the session.

The history has more in it than items: calls of the server's own tools, and an answer of which the
client has not heard yet. So it is changed in its places, and never made anew. An item knows its
messages as they came in; a message that was cut to what was heard, or got its transcript, is
another object by now, and is found by what stayed the same and by its place among the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assistant.messages import AssistantMessage, Message, ToolMessage, UserMessage, open_calls
from assistant.server.realtime.items import Item

REMOVED = "The result was removed."
MISSING = "The client gave no result."


def insert(history: list[Message], item: Item, items: Sequence[Item]) -> None:
    """Puts the item's messages after those of the items before it. `items`: all, with it."""
    at = items.index(item)
    if item is items[-1]:
        for call in open_calls(history):  # until its result comes, if it ever does
            history.append(ToolMessage(call, "cancelled", MISSING))
        history.extend(item.messages)
        return
    places = _places(history, items[:at])
    place = max((index for found in places for index in found), default=-1) + 1
    while place < len(history) and isinstance(history[place], ToolMessage):
        place += 1  # nothing stands between calls and their outcomes
    history[place:place] = item.messages


def answer_call(history: list[Message], call_id: str, text: str) -> None:
    """The client's result: in the place of one that was made up for it, or after its call."""
    for at in range(len(history) - 1, -1, -1):
        message = history[at]
        if isinstance(message, ToolMessage) and message.call.id == call_id:
            history[at] = ToolMessage(message.call, "ok", text)
            return
        calls = message.calls if isinstance(message, AssistantMessage) else ()
        call = next((call for call in calls if call.id == call_id), None)
        if call is not None:
            at += 1
            while at < len(history) and isinstance(history[at], ToolMessage):
                at += 1
            history.insert(at, ToolMessage(call, "ok", text))
            return


def remove(history: list[Message], item: Item, items: Sequence[Item]) -> None:
    """Takes the item out. `items`: all that there were, with it."""
    if item.kind == "function_call_output":
        _forget_result(history, item.call_id)
    elif item.kind == "function_call":
        _remove_call(history, item.call_id)
    else:
        shown = {one.call_id for one in items if one.kind == "function_call"}
        for at in reversed(_places(history, items)[items.index(item)]):
            _remove_message(history, at, shown)


def _remove_message(history: list[Message], at: int, shown: set[str]) -> None:
    """Calls that are items of their own stay."""
    message = history[at]
    calls = message.calls if isinstance(message, AssistantMessage) else ()
    kept = tuple(call for call in calls if call.id in shown)
    if isinstance(message, AssistantMessage) and kept:
        history[at] = AssistantMessage("", kept)
    else:
        del history[at]


def _forget_result(history: list[Message], call_id: str) -> None:
    for at, message in enumerate(history):
        if isinstance(message, ToolMessage) and message.call.id == call_id:
            history[at] = ToolMessage(message.call, "cancelled", REMOVED)


def _remove_call(history: list[Message], call_id: str) -> None:
    for at in range(len(history) - 1, -1, -1):
        message = history[at]
        if isinstance(message, ToolMessage) and message.call.id == call_id:
            del history[at]
        elif isinstance(message, AssistantMessage):
            calls = tuple(call for call in message.calls if call.id != call_id)
            if len(calls) == len(message.calls):
                continue
            if calls or message.text:
                history[at] = replace(message, calls=calls, tokens=())
            else:
                del history[at]


def _places(history: Sequence[Message], items: Sequence[Item]) -> list[list[int]]:
    """Where the messages of each item are; both are in the same order."""
    places: list[list[int]] = []
    start = 0
    for item in items:
        found: list[int] = []
        for message in item.messages:
            at = next(
                (at for at in range(start, len(history)) if _is_same(history[at], message)), None
            )
            if at is not None:
                found.append(at)
                start = at + 1
        places.append(found)
    return places


def _is_same(now: Message, before: Message) -> bool:
    if isinstance(now, UserMessage) and isinstance(before, UserMessage):
        # Sounds are equal to themselves only, and may have made way for their words since then.
        return now.parts == before.parts or ("" != now.text == before.text)
    if isinstance(now, ToolMessage) and isinstance(before, ToolMessage):
        return now.call == before.call
    if isinstance(now, AssistantMessage) and isinstance(before, AssistantMessage):
        # Perhaps cut since then, to its beginning.
        fewer = set(now.calls) <= set(before.calls)
        return fewer and before.text.startswith(now.text.rstrip())
    return now is before
