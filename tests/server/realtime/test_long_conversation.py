"""A conversation of hours: transcripts replace old audio, and items still find their messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from assistant.audio.samples import Audio
from assistant.history import History
from assistant.messages import AssistantMessage, Message, UserMessage
from assistant.server.realtime import item_schema as shapes
from assistant.server.realtime.items import RECENT, Item, Items

TURNS = 3 * RECENT


def talked() -> tuple[Items, History]:
    """Returns spoken turns, each with transcript and response, as a connection stores them."""
    items, messages = Items(), History()
    for turn in range(TURNS):
        asked = UserMessage((Audio(np.zeros(16_000, np.float32), 16_000),))
        question = Item(shapes.message(f"q{turn}", "user", [shapes.input_audio()]), (asked,))
        items.add(question)
        question.set_transcript(f"question {turn}")
        asked = replace(asked, transcript=f"question {turn}")
        answer = AssistantMessage(f"answer {turn}")
        items.add(Item(shapes.message(f"a{turn}", "assistant", []), (answer,)))
        messages.extend([asked, answer])
        messages.forget_audio()
    return items, messages


def recordings(messages: Iterable[Message]) -> int:
    users = [message for message in messages if isinstance(message, UserMessage)]
    return sum(isinstance(part, Audio) for user in users for part in user.parts)


def test_only_the_last_recordings_stay() -> None:
    items, messages = talked()
    assert recordings(messages) == 4
    assert recordings([m for item in items for m in item.messages]) <= RECENT
    assert not items.full


def test_items_without_their_audio_are_deleted_from_the_history_as_others_are() -> None:
    items, messages = talked()
    for name in ("q0", "q20", f"q{TURNS - 1}"):
        item = items.get(name, "delete")
        items.remove(item)
        messages.drop(item.message_ids)
    texts = [m.text for m in messages if isinstance(m, UserMessage)]
    assert len(texts) == TURNS - 3
    assert not {"question 0", "question 20", f"question {TURNS - 1}"} & set(texts)
