"""What would run on a GPU, on a device whose tensors have shapes, but no numbers.

As on a GPU, tensors of two devices don't meet, and nothing can be read without copying it. And what
a CUDA graph can't record is refused: whatever touches the processor's memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from assistant.engines.token2wav.flow.model import Flow
from assistant.engines.token2wav.hift.generator import Hift
from assistant.testing.checkpoint_token2wav import TINY_FLOW, TINY_HIFT
from tests.engines.recorder import GPU, Inspector


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_chunks_of_several_streams_stay_on_the_gpu_and_can_be_recorded(dtype: torch.dtype) -> None:
    flow, inspector = Flow(TINY_FLOW).to(GPU), Inspector()
    flow.pack(dtype=dtype)
    flow.record(inspector)
    speaker = torch.empty(1, TINY_FLOW.speaker, device=GPU)
    voices = [
        flow.prepare(
            torch.zeros(1, n, dtype=torch.long, device=GPU),
            torch.empty(1, 2 * n, TINY_FLOW.mel, device=GPU),
            speaker,
        )
        for n in (50, 33, 75)
    ]
    states = [flow.begin(voice, newest=66) for voice in voices]
    for _ in range(5):
        tokens = [torch.zeros(1, 13, dtype=torch.long, device=GPU) for _ in states]
        mel = flow.chunk(tokens, states, last=False, newest=40)
        assert mel.shape == (3, 20, TINY_FLOW.mel)
        assert mel.device == GPU
    assert flow.recorded is not None
    assert not flow.recorded.recordings.failed
    assert flow.recorded.recordings.shapes == [(4, 20, 256)]
    assert inspector.operations[0] > 100
    last = flow.chunk(tokens, states, last=True, newest=40)
    assert last.shape == (3, 26, TINY_FLOW.mel)


def test_the_middle_of_the_vocoder_stays_on_the_gpu_and_can_be_recorded() -> None:
    """The inverse transform is left out: it reads on the CPU whether its windows add up."""
    hift, inspector = Hift(TINY_HIFT).to(GPU), Inspector()
    hift.pack()
    hift.record(inspector)
    assert hift.recorded is not None
    mel = torch.empty(3, TINY_HIFT.mel, 20, device=GPU)
    turns, numbers = torch.empty(3, 9, device=GPU), torch.zeros(3, dtype=torch.long, device=GPU)
    spectrum = hift._spectrum(hift.m_source(hift.f0(mel), turns, numbers))
    for _ in range(3):
        (x,) = hift.recorded(mel, spectrum)
    assert x.shape == (3, 18, 20 * 120 + 1)
    assert x.device == GPU
    assert len(inspector.operations) == 1
    assert inspector.operations[0] > 50
