"""The history of one conversation: `History` is the only writer of its messages.

Messages are found by their `id`, which stays the same when a message is transcribed, truncated or
loses its audio. Every verb keeps the rule that engines rely on: once the next turn begins, each
call has exactly one outcome, and nothing stands between calls and their outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import overload

from assistant.audio.samples import Audio
from assistant.messages import (
    AssistantMessage,
    Message,
    Outcome,
    ToolCall,
    ToolMessage,
    UserMessage,
    open_calls,
)

NO_RESULT = "The client gave no result."
"""The outcome's text of a client's call that is still open when the conversation goes on."""
RESULT_REMOVED = "The result was removed."
RECENT_AUDIO = 4
"""Recordings that `forget_audio` keeps: an engine may go back to the last ones."""


class History(Sequence[Message]):
    """The messages of one conversation, read as a sequence and changed by its verbs only."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages: list[Message] = list(messages)

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return self._messages[index]

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    def __eq__(self, other: object) -> bool:
        """Compares message by message, with any sequence; ids don't count."""
        return isinstance(other, Sequence) and self._messages == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"History({self._messages!r})"

    # Adding.

    def append(self, message: Message) -> None:
        """Adds a message at the end."""
        self._messages.append(message)

    def extend(self, messages: Iterable[Message]) -> None:
        """Adds messages at the end, in their order."""
        self._messages.extend(messages)

    def insert_after(self, ids: Collection[str], messages: Iterable[Message]) -> None:
        """Inserts messages after the last one whose id is in `ids`, or at the start if none is.

        Outcomes stay with their calls: the messages are inserted behind them.
        """
        places = [at for at, message in enumerate(self._messages) if message.id in ids]
        place = self._after_outcomes(places[-1] + 1 if places else 0)
        self._messages[place:place] = messages

    # Calls and their outcomes.

    def open_calls(self) -> list[ToolCall]:
        """Returns the calls without an outcome, in their order."""
        return open_calls(self._messages)

    def answer_call(self, call_id: str, text: str) -> bool:
        """Records the client's result of its latest call with that id; False if there is no call.

        The result replaces an outcome that was recorded before, such as `NO_RESULT`.
        """
        return self._record(call_id, "ok", text)

    def close_open_calls(self) -> None:
        """Records `NO_RESULT` for each open call, so that the conversation can go on."""
        for call in self.open_calls():
            self._record(call.id, "cancelled", NO_RESULT)

    def _record(self, call_id: str, outcome: Outcome, text: str) -> bool:
        for at in range(len(self._messages) - 1, -1, -1):
            message = self._messages[at]
            if isinstance(message, ToolMessage) and message.call.id == call_id:
                self._messages[at] = replace(message, outcome=outcome, text=text)
                return True
            call = _call_of(message, call_id)
            if call is not None:
                place = self._after_outcomes(at + 1)
                self._messages.insert(place, ToolMessage(call, outcome, text))
                return True
        return False

    def forget_result(self, call_id: str) -> None:
        """Replaces the outcome of a call by `RESULT_REMOVED`."""
        for at, message in enumerate(self._messages):
            if isinstance(message, ToolMessage) and message.call.id == call_id:
                self._messages[at] = replace(message, outcome="cancelled", text=RESULT_REMOVED)

    def drop_call(self, call_id: str) -> None:
        """Removes a call and its outcome; its message goes too if it holds nothing else."""

        def without(message: Message) -> Message | None:
            if isinstance(message, ToolMessage) and message.call.id == call_id:
                return None
            if not isinstance(message, AssistantMessage) or not _call_of(message, call_id):
                return message
            calls = tuple(call for call in message.calls if call.id != call_id)
            return replace(message, calls=calls, tokens=()) if calls or message.text else None

        self._change(without)

    # Changing and removing messages.

    def transcribe(self, text: str) -> None:
        """Sets the transcript of the latest user message."""
        for at in range(len(self._messages) - 1, -1, -1):
            message = self._messages[at]
            if isinstance(message, UserMessage):
                self._messages[at] = replace(message, transcript=text)
                return

    def truncate(self, message_id: str, text: str, tokens: tuple[int, ...] = ()) -> None:
        """Cuts a message of the assistant to what was played of it; its calls stay, for they ran.

        `text` and `tokens` replace those of the message, which may be cut again.
        """

        def truncated(message: Message) -> Message:
            if isinstance(message, AssistantMessage) and message.id == message_id:
                return replace(message, text=text, tokens=tokens)
            return message

        self._change(truncated)

    def drop(self, ids: Collection[str], *, keep_calls: Container[str] = ()) -> None:
        """Removes messages, except for their calls whose ids are in `keep_calls`."""

        def without(message: Message) -> Message | None:
            if message.id not in ids:
                return message
            calls = message.calls if isinstance(message, AssistantMessage) else ()
            kept = tuple(call for call in calls if call.id in keep_calls)
            return AssistantMessage("", kept, id=message.id) if kept else None

        self._change(without)

    def clear(self) -> None:
        """Removes all messages."""
        self._messages.clear()

    def forget_audio(self, keep: int = RECENT_AUDIO) -> None:
        """Replaces the audio of user messages by its transcript, except in the last `keep` of them.

        Audio without a transcript stays: nothing else is known of what was said. A conversation
        that goes on for hours would hold all of its audio otherwise.
        """
        for at in range(len(self._messages) - 1, -1, -1):
            message = self._messages[at]
            if not isinstance(message, UserMessage) or not message.audio:
                continue
            if keep > 0:
                keep -= 1
            else:
                self._messages[at] = without_audio(message)

    def _change(self, change: Callable[[Message], Message | None]) -> None:
        self._messages = [new for new in map(change, self._messages) if new is not None]

    def _after_outcomes(self, place: int) -> int:
        """Returns the first place from `place` on that is not between calls and outcomes."""
        while place < len(self._messages) and isinstance(self._messages[place], ToolMessage):
            place += 1
        return place


def without_audio(message: UserMessage) -> UserMessage:
    """Returns the message with its transcript in place of its audio, or as it is without one."""
    if not message.transcript or not message.audio:
        return message
    typed = tuple(part for part in message.parts if not isinstance(part, Audio))
    return replace(message, parts=(*typed, message.transcript), transcript="")


def _call_of(message: Message, call_id: str) -> ToolCall | None:
    calls = message.calls if isinstance(message, AssistantMessage) else ()
    return next((call for call in calls if call.id == call_id), None)
