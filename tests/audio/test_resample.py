"""Streams of audio are resampled chunk by chunk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audio.resample import Resampler
from assistant.audio.samples import Pcm16
from assistant.errors import AudioError

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 44_101, 48_000, 96_000]


def tone(hz: float, sample_rate: int, seconds: float = 1.0) -> Pcm16:
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    samples: Pcm16 = np.rint(30_000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)
    return samples


def resampled(samples: Pcm16, rate: int, target: int, chunk: int = 777) -> Pcm16:
    stream = Resampler(rate, target)
    chunks = [stream.feed(samples[at : at + chunk]) for at in range(0, len(samples), chunk)]
    return np.concatenate([*chunks, stream.finish()])


@pytest.mark.parametrize("target", [8_000, 16_000, 24_000])
@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_pitch_phase_and_loudness(rate: int, target: int) -> None:
    hz = 3_000.0
    output = resampled(tone(hz, rate), rate, target).astype(np.float64)
    wanted = 30_000 * np.sin(2 * np.pi * hz * np.arange(len(output)) / target)
    middle = slice(target // 10, -target // 10)
    error = np.sqrt(np.mean((output - wanted)[middle] ** 2))
    # The phases of rates without a small ratio are rounded: -60 dB.
    assert error < (25.0 if rate == 44_101 else 2.0)  # else -83 dB
    assert abs(len(output) - target) <= 1


@pytest.mark.parametrize(("rate", "target"), [(48_000, 16_000), (24_000, 8_000), (44_100, 16_000)])
def test_frequencies_above_half_the_lower_rate_are_removed(rate: int, target: int) -> None:
    for hz in (0.55 * target, 0.75 * target, 0.49 * rate):
        output = resampled(tone(hz, rate), rate, target)[target // 10 : -target // 10]
        assert np.abs(output).max() <= 30_000 * 10 ** (-75 / 20)


@pytest.mark.parametrize("rate", RATES)
def test_the_resampler_holds_back_at_most_four_milliseconds(rate: int) -> None:
    stream = Resampler(rate, 16_000)
    received = ready = 0
    for _ in range(200):
        received += rate // 200
        ready += len(stream.feed(np.zeros(rate // 200, np.int16)))
        assert received / rate - ready / 16_000 <= 0.0041


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from([8_000, 24_000, 44_100, 48_000]),
    st.lists(st.sampled_from([0, 1, 2, 7, 160, 1_000, 4_096, 5_000]), min_size=1, max_size=30),
    st.integers(0, 1_000),
)
def test_a_stream_returns_the_same_samples_however_it_is_split(
    rate: int, sizes: list[int], seed: int
) -> None:
    samples = np.random.default_rng(seed).integers(-32_768, 32_768, sum(sizes)).astype(np.int16)
    stream = Resampler(rate, 16_000)
    ends = np.cumsum(sizes)
    pieces = [stream.feed(samples[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    cut = np.concatenate([*pieces, stream.finish()])
    assert np.array_equal(cut, resampled(samples, rate, 16_000, chunk=100_000))


@pytest.mark.parametrize("rate", RATES)
def test_full_scale_samples_are_clipped_and_never_wrap_around(rate: int) -> None:
    square = np.where(np.arange(rate // 2) // 40 % 2, 32_767, -32_768).astype(np.int16)
    output = resampled(square, rate, 16_000)
    assert output.max() == 32_767
    assert output.min() == -32_768
    steady = resampled(np.full(rate, -32_768, np.int16), rate, 16_000)
    assert (steady[1_000:-1_000] == -32_768).all()


def test_an_unsupported_sample_rate_is_refused_in_words() -> None:
    for rate in (0, -8_000, 10, 10**9):
        with pytest.raises(AudioError, match="a sample rate of"):
            Resampler(rate, 16_000)
