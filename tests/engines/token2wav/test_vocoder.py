"""The vocoder keeps phases across chunks and replaces numbers that are not finite."""

from __future__ import annotations

import math

import numpy as np
import torch

from assistant.audio.samples import OUTPUT_RATE
from assistant.engines.token2wav import Token2Wav
from assistant.engines.token2wav.hift.source import Source
from assistant.engines.token2wav.vocoder import VocoderState, vocode


def test_the_source_of_a_steady_pitch_is_one_sine_across_chunks() -> None:
    """The decoder is the source alone: over the vocoder's chunks a sine stays a sine."""
    with torch.inference_mode():
        hift = SineHift()
        state = VocoderState.start(hift, 80)  # type: ignore[arg-type]
        chunks = [torch.zeros(1, frames, 80) for frames in (20, 30, 50, 50, 4)]
        parts = [
            vocode(hift, mel, [state], last=index == 4)[0]  # type: ignore[arg-type]
            for index, mel in enumerate(chunks)
        ]
    wave = np.concatenate(parts).astype(np.float64) / 32767
    assert len(wave) == 154 * 480
    inside = wave[480:-480]  # the first and last half frame have no neighbor for interpolation
    turn = 2 * math.pi * SineHift.HERTZ / OUTPUT_RATE
    rounding = 2 / 32767
    assert np.abs(np.diff(inside)).max() < 1.01 * SineHift.AMPLITUDE * turn + rounding
    assert np.abs(np.diff(inside, 2)).max() < 1.3 * SineHift.AMPLITUDE * turn**2 + 2 * rounding


class SineHift:
    """A vocoder that outputs its source, one steady harmonic."""

    HERTZ = 217.0
    AMPLITUDE = 0.5  # before the source's tanh

    def __init__(self) -> None:
        self.window = torch.zeros(1)
        self.m_source = Source(0)
        self.m_source.noise.zero_()
        self.m_source.l_linear.weight.data.fill_(10 * self.AMPLITUDE)
        self.m_source.l_linear.bias.data.zero_()

    def f0(self, mel: torch.Tensor) -> torch.Tensor:
        return torch.full((mel.shape[0], mel.shape[2]), self.HERTZ)

    def decode(self, mel: torch.Tensor, source: torch.Tensor, *, again: bool) -> torch.Tensor:
        return source[:, 0]


def test_nan_frames_become_silence(token2wav: Token2Wav) -> None:
    state = token2wav.begin_vocoder()
    mel = torch.full((1, 30, 80), float("nan"))
    with torch.inference_mode():
        (pcm,) = vocode(token2wav.hift, mel, [state], last=True)
    assert len(pcm) == 30 * 480
    assert not pcm.any()
