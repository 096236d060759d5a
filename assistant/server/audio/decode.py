"""Decodes untrusted audio block by block, so that a small file can't take much memory.

A FLAC file of 70 kB may hold ten minutes of silence with eight channels at 655 kHz: 12 GB of
samples.
"""

from __future__ import annotations

import io
from functools import partial

import anyio
import numpy as np
import soundfile
import soxr

from assistant.audio.samples import Audio, Float32
from assistant.errors import AudioError

SAMPLES_A_SECOND = 96_000
"""Samples of all channels together per allowed second: 48 kHz stereo at full length."""
MAX_RATE, MIN_RATE = 384_000, 1_000
DECODED_RATE = 24_000
"""Audio at a higher sample rate is resampled to this one while it is decoded, in Hz: no engine uses
more, and ten minutes take 58 MB, however the file is sampled."""
_BLOCK = 65_536
_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3")
"""The first bytes of WAV, AIFF, FLAC, Ogg and MP3 files. libsndfile reads some twenty formats more,
whose parsers untrusted data should not reach."""


async def decode_audio(
    data: bytes,
    *,
    max_seconds: float,
    raw_rate: int | None = None,
    limiter: anyio.CapacityLimiter | None = None,
) -> Audio:
    """Decodes a WAV, AIFF, FLAC, Ogg or MP3 file to mono, at most DECODED_RATE; with `raw_rate`
    16 bit little-endian mono samples.

    `limiter` bounds how many files are decoded at the same time. Raises AudioError if it is not
    audio, empty, longer than `max_seconds`, or has more samples than that length has at the usual
    rates.
    """
    work = (
        partial(_decode, data, max_seconds)
        if raw_rate is None
        else partial(_decode_raw, data, raw_rate, max_seconds)
    )
    return await anyio.to_thread.run_sync(work, limiter=limiter)


def _decode_raw(data: bytes, rate: int, max_seconds: float) -> Audio:
    if len(data) % 2:
        raise AudioError("raw PCM has 2 bytes for each sample: the last one is cut")
    audio = Audio.from_pcm16(np.frombuffer(data, "<i2").astype(np.int16), rate)
    if audio.seconds <= max_seconds and rate > DECODED_RATE:
        audio = audio.resampled(DECODED_RATE)
    if audio.seconds > max_seconds:
        raise _too_long(max_seconds)
    return _checked(audio)


def _decode(data: bytes, max_seconds: float) -> Audio:
    if not data.startswith(_MAGIC) and not _is_mpeg(data):
        raise _unreadable()
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate = file.samplerate
            if not MIN_RATE <= rate <= MAX_RATE:
                raise AudioError(f"the audio has {rate} samples a second")
            most = min(max_seconds * rate, max_seconds * SAMPLES_A_SECOND / file.channels)
            if file.frames > most:
                raise _too_long(max_seconds)
            samples = _read(file, most, max_seconds)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise _unreadable() from error
    return _checked(Audio(samples, min(rate, DECODED_RATE)))


def _is_mpeg(data: bytes) -> bool:
    """Returns whether the data begins with the sync word of an MPEG audio frame, eleven ones."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0


def _unreadable() -> AudioError:
    return AudioError("the audio can't be read", hint="WAV, AIFF, FLAC, OGG and MP3 are understood")


def _read(file: soundfile.SoundFile, most: float, max_seconds: float) -> Float32:
    """Returns the whole file as mono at DECODED_RATE or less.

    A header may understate the length: what counts is what comes.
    """
    pieces: list[Float32] = []
    resampler = _resampler(file.samplerate)
    count = 0
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        count += len(block)
        if count > most:
            raise _too_long(max_seconds)
        mono = block.mean(axis=1, dtype=np.float32)
        pieces.append(mono if resampler is None else resampler.resample_chunk(mono))
    if resampler is not None:
        pieces.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _resampler(rate: int) -> soxr.ResampleStream | None:
    """Returns what takes a stream of that sample rate to DECODED_RATE; None if it is no higher."""
    if rate <= DECODED_RATE:
        return None
    return soxr.ResampleStream(rate, DECODED_RATE, 1, dtype="float32")


def _too_long(max_seconds: float) -> AudioError:
    return AudioError(f"the audio is too long; the limit is {max_seconds:g} seconds")


def _checked(audio: Audio) -> Audio:
    if not len(audio.samples):
        raise AudioError("the audio is empty")
    if not np.isfinite(audio.samples).all():
        raise AudioError("the audio holds samples that are no numbers")
    return Audio(np.clip(audio.samples, -1.0, 1.0), audio.sample_rate)
