"""What callers share on a server is bounded, and no caller displaces another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from assistant.server.fair_store import FairStore


def test_the_owner_who_fills_the_store_loses_its_own_oldest_entry() -> None:
    dropped: list[str] = []
    store: FairStore[str] = FairStore(max_items=4, ttl_s=60.0, on_drop=dropped.append)
    store.add("quiet", "q", "q")
    for index in range(10):
        store.add("greedy", str(index), str(index))
    assert store.get("quiet", "q") == "q"
    assert dropped == ["0", "1", "2", "3", "4", "5", "6"]
    assert store.count("greedy") == 3


def test_a_bound_on_bytes_drops_entries_of_the_owner_with_the_most_bytes() -> None:
    store: FairStore[str] = FairStore(max_items=100, max_bytes=100, ttl_s=60.0)
    for index in range(5):
        store.add("many_small", str(index), "x", size=1)
    store.add("large", "a", "a", size=60)
    store.add("large", "b", "b", size=60)
    assert store.get("large", "a") is None
    assert store.get("large", "b") == "b"
    assert (store.count("many_small"), store.size) == (5, 65)


def test_a_value_larger_than_the_store_is_not_retained() -> None:
    store: FairStore[str] = FairStore(max_items=10, max_bytes=10, ttl_s=60.0)
    store.add("a", "key", "value", size=11)
    assert (len(store), store.size, store.get("a", "key")) == (0, 0, None)


def test_values_expire_by_age_and_are_reported_as_dropped() -> None:
    now = [0.0]
    dropped: list[str] = []
    store: FairStore[str] = FairStore(
        max_items=10, ttl_s=60.0, now=lambda: now[0], on_drop=dropped.append
    )
    store.add("a", "old", "old")
    now[0] = 30.0
    store.add("b", "new", "new")
    assert store.next_expiry() == 60.0
    now[0] = 60.0
    assert store.get("a", "old") is None
    store.drop_expired()
    assert (dropped, len(store)) == (["old"], 1)


ACTIONS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 8), st.booleans()),
    max_size=40,
)


@given(actions=ACTIONS)
@bounded(max_examples=200, deadline=None)
def test_the_bounds_hold_after_any_sequence_of_actions(
    actions: list[tuple[str, str, int, bool]],
) -> None:
    store: FairStore[int] = FairStore(max_items=5, max_bytes=16, ttl_s=60.0)
    stored: dict[tuple[str, str], int] = {}
    for owner, key, size, adds in actions:
        if adds:
            store.add(owner, key, size, size)
            stored[owner, key] = size
        else:
            store.pop(owner, key)
            stored.pop((owner, key), None)
        found = {pair: store.get(*pair) for pair in stored}
        kept = {pair: size for pair, size in found.items() if size is not None}
        assert all(stored[pair] == size for pair, size in kept.items())
        assert (len(store), store.size) == (len(kept), sum(kept.values()))
        assert len(store) <= 5
        assert store.size <= 16
