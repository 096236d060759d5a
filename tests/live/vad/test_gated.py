"""Speech is distinguished from long noise, and noise rarely runs the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from assistant.audio.samples import Pcm16
from assistant.live.vad.frames import FRAME_S, Frame, VoiceActivityDetector
from assistant.live.vad.gated import GatedDetector
from assistant.live.vad.silero import Silero
from tests.live.vad.recordings import (
    DEFAULTS,
    NAMES,
    Signal,
    babble,
    detected,
    hum,
    noisy,
    pcm,
    pink,
    recording,
    silence,
    tones,
    traffic,
    turns,
    white,
)


@pytest.mark.parametrize("name", NAMES)
def test_distant_voices_hide_no_speech(name: str) -> None:
    padded = np.concatenate((silence(1.5), recording(name), silence(1.0)))
    alone = detected(pcm(padded))
    both = detected(pcm(noisy(babble)(padded)))
    found = [two.speech for one, two in zip(alone, both, strict=True) if one.speech]
    assert sum(found) >= 0.95 * len(found)


@pytest.mark.parametrize("level_db", [-50, -20])
@pytest.mark.parametrize("noise", [silence, white, pink, hum], ids=lambda noise: noise.__name__)
def test_ten_minutes_of_noise_contain_no_speech(
    noise: Callable[[float], Signal], level_db: float
) -> None:
    frames = detected(pcm(noise(600.0) * 10 ** (level_db / 20)))
    assert len(frames) == 18_750
    assert not any(frame.speech for frame in frames)


def test_ten_minutes_of_notes_contain_hardly_any_speech() -> None:
    frames = detected(pcm(tones(600.0) * 0.05))
    assert sum(frame.speech for frame in frames) <= 0.01 * len(frames)


@pytest.mark.parametrize("noise", [white, traffic])
@pytest.mark.parametrize("ratio_db", [15.0, 5.0])
def test_minutes_of_noise_do_not_delay_the_detection_of_speech(
    noise: Callable[[float], Signal], ratio_db: float
) -> None:
    speech = recording("what_time_is_it_in_tokyo")

    def noticed_after(seconds: float) -> float:
        padded = noisy(noise, ratio_db)(np.concatenate((silence(seconds), speech)))
        return turns(detected(pcm(padded)))[0][0] - seconds

    assert noticed_after(120.0) <= noticed_after(1.28) + 0.05


@pytest.mark.parametrize("level_db", [-30, -10])
def test_a_cough_is_too_short_to_be_a_turn(level_db: float) -> None:
    burst = pink(0.2) * np.exp(-np.arange(3_200) / 800) * np.minimum(1.0, np.arange(3_200) / 80)
    found = []
    for _ in range(5):
        found += [silence(1.0), burst * 10 ** (level_db / 20), silence(1.0)]
    assert turns(detected(pcm(np.concatenate(found)))) == []


class CountingSilero(Silero):
    """The network, with a count of its runs."""

    asked = 0

    def __call__(self, samples: Pcm16) -> float:
        self.asked += 1
        return super().__call__(samples)


@pytest.mark.parametrize("noise", [silence, white, pink, hum], ids=lambda noise: noise.__name__)
def test_the_network_rarely_runs_on_constant_noise(
    noise: Callable[[float], Signal],
) -> None:
    network = CountingSilero()
    detected(
        pcm(noise(60.0) * 0.01),
        detector=VoiceActivityDetector(DEFAULTS, 16_000, GatedDetector(network)),
    )
    assert network.asked <= 0.06 * 60.0 / FRAME_S


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ratio_db", [20.0, 10.0, 0.0])
def test_the_noise_floor_loses_no_speech(name: str, ratio_db: float) -> None:
    padded = np.concatenate((silence(3.2), recording(name), silence(1.0)))
    samples = pcm(noisy(pink, ratio_db)(padded) * 0.3)
    network = Silero()
    alone = list(
        frames_after(
            detected(samples, detector=VoiceActivityDetector(DEFAULTS, 16_000, network)), 3.2
        )
    )
    gated = list(frames_after(detected(samples), 3.2))
    assert turns(gated)[0][0] <= turns(alone)[0][0] + FRAME_S
    assert sum(f.speech for f in gated) >= 0.95 * sum(f.speech for f in alone)


def frames_after(frames: Sequence[Frame], seconds: float) -> Iterator[Frame]:
    return (frame for frame in frames if frame.start >= seconds)
