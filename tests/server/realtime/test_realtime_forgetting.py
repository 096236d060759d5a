"""A conversation of hours: words stand for old sounds, and items still find their messages."""

from __future__ import annotations

import numpy as np

from assistant.audio import Sound
from assistant.live.forgetting import forget_sounds
from assistant.messages import AssistantMessage, Message, UserMessage
from assistant.server.realtime import history
from assistant.server.realtime.items import RECENT, Item, Items
from assistant.server.wire import realtime_items as shapes

TURNS = 3 * RECENT


def talked() -> tuple[Items, list[Message]]:
    """Spoken turns, each with its transcript and its answer, as a connection keeps them."""
    items, messages = Items(), list[Message]()
    for turn in range(TURNS):
        asked = UserMessage((Sound(np.zeros(16_000, np.float32), 16_000),))
        question = Item(shapes.message(f"q{turn}", "user", [shapes.heard()]), (asked,))
        items.add(question)
        question.heard(f"question {turn}")
        answer = AssistantMessage(f"answer {turn}")
        items.add(Item(shapes.message(f"a{turn}", "assistant", []), (answer,)))
        messages += [UserMessage(asked.parts, f"question {turn}"), answer]
        forget_sounds(messages)
    return items, messages


def sounds(messages: list[Message]) -> int:
    users = [message for message in messages if isinstance(message, UserMessage)]
    return sum(isinstance(part, Sound) for user in users for part in user.parts)


def test_only_the_last_recordings_are_kept() -> None:
    items, messages = talked()
    assert sounds(messages) == 4
    assert sounds([m for item in items for m in item.messages]) <= RECENT
    assert not items.full


def test_items_whose_sound_is_gone_are_deleted_from_the_history_as_others_are() -> None:
    items, messages = talked()
    for name in ("q0", "q20", f"q{TURNS - 1}"):
        before = tuple(items)
        item = items.get(name, "delete")
        items.remove(item)
        history.remove(messages, item, before)
    texts = [m.text for m in messages if isinstance(m, UserMessage)]
    assert len(texts) == TURNS - 3
    assert not {"question 0", "question 20", f"question {TURNS - 1}"} & set(texts)
