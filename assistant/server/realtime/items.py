"""The items of a conversation, in their order: what clients see of its history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from assistant.history import without_audio
from assistant.messages import Message, UserMessage
from assistant.server.http.errors import ApiError
from assistant.server.http.json_size import size_of_json

Json = dict[str, Any]

MAX_ITEMS = 2_000
"""The number of items; beyond it the oldest ones are dropped, while the history keeps their
messages.
"""
RECENT = 16
"""The number of items whose audio is retained although their text is known."""
ROOT = "root"
"""The client's name of the place before all items."""


@dataclass(eq=False)
class Item:
    """One item. `content`: as clients read it. `messages`: its messages in the history.

    `live_id`, `audio_s`: for an item of a response, the response's id and the seconds of audio
    sent.
    """

    content: Json
    messages: tuple[Message, ...] = ()
    live_id: str = ""
    audio_s: float = 0.0
    speaks: bool = False
    transcribing: bool = field(default=False)

    @property
    def id(self) -> str:
        return str(self.content["id"])

    @property
    def kind(self) -> str:
        return str(self.content["type"])

    @property
    def size(self) -> int:
        """The approximate size in bytes of its texts, and of its audio as the history holds it."""
        return size_of_json(self.content) + self.audio_bytes

    @property
    def audio_bytes(self) -> int:
        """The bytes of its recordings, as the history holds them."""
        messages = [message for message in self.messages if isinstance(message, UserMessage)]
        return sum(audio.samples.nbytes for message in messages for audio in message.audio)

    @property
    def message_ids(self) -> frozenset[str]:
        """The ids of the item's messages in the history."""
        return frozenset(message.id for message in self.messages)

    @property
    def call_id(self) -> str:
        return str(self.content.get("call_id", ""))

    @property
    def by_assistant(self) -> bool:
        """True for an item of the assistant."""
        return self.content.get("role") == "assistant"

    def set_transcript(self, transcript: str) -> None:
        """Sets the text of what was said in it."""
        self.set_text(transcript)
        self.messages = tuple(
            replace(m, transcript=transcript) if isinstance(m, UserMessage) else m
            for m in self.messages
        )

    def forget_audio(self) -> None:
        """Replaces the audio of its messages by their transcript, if it is known."""
        self.messages = tuple(
            without_audio(m) if isinstance(m, UserMessage) else m for m in self.messages
        )

    def set_text(self, text: str) -> None:
        """Sets the text of its only part."""
        for part in self.content["content"]:
            part["transcript" if "transcript" in part else "text"] = text


class Items:
    """`max_bytes`: what clients may put into the conversation, texts and audio."""

    def __init__(self, max_bytes: int = 2**28) -> None:
        self._max_bytes = max_bytes
        self._items: list[Item] = []
        self._by_id: dict[str, Item] = {}
        self._bytes = 0

    @property
    def full(self) -> bool:
        """More has come than may; what was deleted counts as well."""
        return self._bytes > self._max_bytes

    @property
    def bytes(self) -> int:
        """The bytes of texts and audio that were put into the conversation."""
        return self._bytes

    def __iter__(self) -> Iterator[Item]:
        return iter(tuple(self._items))

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._by_id

    @property
    def last(self) -> Item | None:
        """The last item, or None."""
        return self._items[-1] if self._items else None

    @property
    def call_ids(self) -> frozenset[str]:
        """The ids of the calls that are items of their own."""
        return frozenset(item.call_id for item in self._items if item.kind == "function_call")

    def find(self, item_id: str) -> Item | None:
        return self._by_id.get(item_id)

    def get(self, item_id: str, verb: str) -> Item:
        """Raises ApiError. `verb`: what is to be done with it."""
        item = self.find(item_id)
        if item is None:
            message = f"there is no item {item_id!r} to {verb}"
            raise ApiError(message, param="item_id", code=f"item_{verb}_invalid_item_id")
        return item

    def call(self, call_id: str) -> Item | None:
        """The latest call of that id."""
        calls = (i for i in reversed(self._items) if i.kind == "function_call")
        return next((item for item in calls if item.call_id == call_id), None)

    def add(self, item: Item, previous_id: str | None = None) -> str | None:
        """Adds an item after `previous_id` (ROOT for the start), by default at the end.

        Returns the id of the item before it. Raises ApiError if the ids are wrong.
        """
        if item.id in self._by_id:
            message = f"there is an item {item.id!r} already"
            raise ApiError(message, param="item.id", code="item_create_duplicate_item_id")
        place = self._place(previous_id)
        self._items.insert(place, item)
        self._by_id[item.id] = item
        self._bytes += item.size
        for old in self._items[-2 * RECENT : -RECENT]:
            self._bytes -= old.audio_bytes
            old.forget_audio()
            self._bytes += old.audio_bytes
        before = self._items[place - 1].id if place else None
        if len(self._items) > MAX_ITEMS:
            self.remove(self._items[0] if place else self._items[1])
        return before

    def message_ids_before(self, item: Item) -> frozenset[str]:
        """Returns the ids of the messages of all items before that one."""
        before = self._items[: self._items.index(item)]
        return frozenset(message.id for one in before for message in one.messages)

    def _place(self, previous_id: str | None) -> int:
        if previous_id is None:
            return len(self._items)
        if previous_id == ROOT:
            return 0
        previous = self._by_id.get(previous_id)
        if previous is None:
            message = f"previous_item_id: there is no item {previous_id!r}"
            code = "item_create_invalid_previous_item_id"
            raise ApiError(message, param="previous_item_id", code=code)
        return self._items.index(previous) + 1

    def remove(self, item: Item) -> None:
        self._items.remove(item)
        del self._by_id[item.id]
