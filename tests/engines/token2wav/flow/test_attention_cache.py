"""The estimator's cache: its frames, and attention over them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engines.token2wav.flow.attention_cache import EstimatorCache, attend
from assistant.engines.token2wav.flow.shape import FlowShape

TINY = FlowShape(depth=1, hidden=4, estimator_heads=1, head_width=2)


@settings(max_examples=30, deadline=None)
@given(chunks=st.lists(st.integers(1, 7), min_size=1, max_size=12), capacity=st.integers(7, 20))
def test_the_newest_frames_are_visible_and_the_oldest_are_evicted(
    chunks: list[int], capacity: int
) -> None:
    memory = EstimatorCache.start(TINY, 1, capacity, torch.empty(0))
    number = 0
    for chunk in chunks:
        frames = torch.arange(number, number + chunk).float().repeat(2, 2, 1).transpose(1, 2)
        memory.store(0, 0, frames, -frames)
        number += chunk
        ((keys, values),) = memory.visible(0, 0, chunk)
        memory.advance(chunk)
        newest = set(range(max(0, number - capacity), number))
        assert set(keys[0, :, 0].int().tolist()) == newest
        assert torch.equal(values, -keys)


def test_a_chunk_larger_than_the_cache_is_a_defect() -> None:
    memory = EstimatorCache.start(TINY, 1, 3, torch.empty(0))
    with pytest.raises(ValueError, match="4 frames in a cache of 3"):
        memory.store(0, 0, torch.zeros(2, 4, 2), torch.zeros(2, 4, 2))


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 30), min_size=2, max_size=3), scale=st.floats(0.1, 60))
def test_attention_over_parts_equals_attention_over_the_joined_parts(
    lengths: list[int], scale: float
) -> None:
    generator = torch.Generator().manual_seed(len(lengths))
    q = torch.randn(4, 5, 8, generator=generator) * scale
    parts = [
        (torch.randn(4, n, 8, generator=generator), torch.randn(4, n, 8, generator=generator))
        for n in lengths
    ]
    joined = [(torch.cat([k for k, _ in parts], 1), torch.cat([v for _, v in parts], 1))]
    assert torch.allclose(attend(q, parts), attend(q, joined), atol=1e-4)
