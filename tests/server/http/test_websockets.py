"""WebSockets of one owner are paced by bytes, and nobody waits for another owner."""

from __future__ import annotations

from assistant.server.http.json_size import size_of_json
from assistant.server.http.websockets import BytePacer


def test_a_burst_of_one_second_is_free_and_what_is_more_waits() -> None:
    now = [0.0]
    pacer = BytePacer(1_000.0, now=lambda: now[0])
    assert pacer.take(1_000) == 0.0
    assert pacer.take(500) == 0.5
    assert pacer.take(500) == 1.0
    now[0] = 1.0
    assert pacer.take(0) == 0.0
    now[0] = 100.0
    assert pacer.take(1_001) == 0.001


def test_the_size_of_a_json_value_counts_its_characters_and_its_values() -> None:
    assert size_of_json("a" * 1_000) >= 1_000
    assert size_of_json([{}] * 1_000) >= 1_000 * 64
    assert size_of_json({"k" * 1_000: None}) >= 1_000
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert size_of_json(deep) >= 100_000
