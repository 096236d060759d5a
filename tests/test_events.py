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


def test_there_are_ten_kinds_and_each_has_its_own_type() -> None:
    types = [kind.type for kind in get_args(Event)]
    assert len(types) == len(set(types)) == 10


@given(st.lists(st.integers(-32768, 32767), max_size=40), st.floats(0, 1e6))
def test_samples_go_into_json_only_when_asked_and_come_out_the_same(
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


def test_data_that_json_can_not_hold_becomes_text() -> None:
    value = to_json(ToolCallFinished("call_1", "a", "ok", 0.1, "", {"lock": threading.Lock()}))
    assert "lock" in json.dumps(value)


def test_events_can_not_be_changed() -> None:
    event = events.TextDelta("a")
    try:
        event.text = "b"  # type: ignore[misc]
    except AttributeError:
        return
    raise AssertionError("an event was changed")
