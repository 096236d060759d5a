from __future__ import annotations

import base64
import json
import threading
from typing import get_args

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assistant import events
from assistant.events import AudioChunk, Event, Latency, ToolCallFinished, TurnEnded, to_json


def test_each_of_the_ten_kinds_has_its_own_type() -> None:
    types = [kind.type for kind in get_args(Event)]
    assert len(types) == len(set(types)) == 10


@given(st.lists(st.integers(-32768, 32767), max_size=40), st.floats(0, 1e6))
def test_samples_go_into_json_only_if_asked_and_are_restored_unchanged(
    values: list[int], start: float
) -> None:
    event = AudioChunk(start, np.array(values, np.int16))
    assert to_json(event) == {"type": "audio", "start": start, "seconds": len(values) / 24_000}
    raw = base64.b64decode(to_json(event, with_samples=True)["samples"])
    assert np.frombuffer(raw, "<i2").tolist() == values


def test_nested_values_are_plain_json() -> None:
    ended = TurnEnded("completed", "Hi", 1.5, Latency(0.1, None, 0.0, 0.2))
    finished = ToolCallFinished("call_1", "weather", "ok", 0.1, "Sunny.", {"degrees": [1, 2]})
    assert json.loads(json.dumps(to_json(ended)))["latency"]["first_audio"] is None
    assert to_json(finished)["data"] == {"degrees": [1, 2]}
    assert next(iter(to_json(finished))) == "type"


def test_data_without_a_json_form_becomes_text() -> None:
    value = to_json(ToolCallFinished("call_1", "a", "ok", 0.1, "", {"lock": threading.Lock()}))
    assert "lock" in json.dumps(value)


def test_events_cannot_be_changed() -> None:
    event = events.TextDelta("a")
    try:
        event.text = "b"  # type: ignore[misc]
    except AttributeError:
        return
    raise AssertionError("an event was changed")
