from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from assistant.audio.decode import read_audio
from assistant.audio.encode import write_wav
from assistant.audio.samples import OUTPUT_RATE, Audio
from assistant.errors import AudioError


def tone(seconds: float = 0.5, rate: int = 16_000, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype("float32")


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT"])
def test_files_of_any_rate_and_channel_count_are_read_as_mono(
    tmp_path: Path, rate: int, channels: int, subtype: str
) -> None:
    wave = np.repeat(tone(rate=rate)[:, None], channels, axis=1)
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype=subtype)
    audio = read_audio(tmp_path / "a.wav", max_seconds=10)
    assert audio.sample_rate == rate
    assert audio.samples.shape == (len(wave),)
    assert np.abs(audio.samples - wave[:, 0]).max() < 0.02


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3"])
def test_formats_other_than_wav_are_read(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, tone(rate=44_100), 44_100)
    assert read_audio(tmp_path / name, max_seconds=10).seconds == pytest.approx(0.5, abs=0.1)


def test_written_audio_is_read_back_unchanged(tmp_path: Path) -> None:
    pieces = [Audio(tone(rate=OUTPUT_RATE), OUTPUT_RATE).to_pcm16() for _ in range(2)]
    write_wav(tmp_path / "a.wav", pieces)
    audio = read_audio(tmp_path / "a.wav", max_seconds=10)
    assert np.array_equal(audio.to_pcm16(), np.concatenate(pieces))


def make(path: Path, content: bytes | np.ndarray, rate: int = 8_000) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        soundfile.write(path, content, rate, subtype="FLOAT")
    return path


def test_data_that_is_not_audio_is_refused_in_one_line(tmp_path: Path) -> None:
    cases = {
        "no such file": tmp_path / "none.wav",
        "is a folder": tmp_path,
        "not audio": make(tmp_path / "text.wav", b"these are words, no samples"),
        "not audio that": make(tmp_path / "empty-file.wav", b""),
        "holds no sound": make(tmp_path / "empty.wav", np.zeros(0, "float32")),
        "no numbers": make(tmp_path / "nan.wav", np.full(800, np.nan, "float32")),
        "20 seconds long; the limit is 10": make(tmp_path / "long.wav", tone(20, 8_000)),
    }
    for message, path in cases.items():
        with pytest.raises(AudioError, match=message) as caught:
            read_audio(path, max_seconds=10)
        assert "\n" not in str(caught.value)


def test_a_header_that_promises_hours_is_refused_before_decoding() -> None:
    header = io.BytesIO()
    soundfile.write(header, np.zeros(8, "int16"), 8_000, format="WAV")
    raw = bytearray(header.getvalue())
    raw[40:44] = (2**31 - 2).to_bytes(4, "little")
    with pytest.raises(AudioError):
        read_audio(io.BytesIO(bytes(raw)), max_seconds=0.0005)


@given(st.binary(max_size=400))
def test_random_bytes_are_decoded_or_raise_an_audio_error(content: bytes) -> None:
    try:
        audio = read_audio(io.BytesIO(content), max_seconds=10)
    except AudioError:
        pass
    else:
        assert np.isfinite(audio.samples).all()


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=50))
def test_conversion_to_16_bit_clips_and_never_wraps(values: list[float]) -> None:
    pcm = Audio(np.array(values, "float32"), 8_000).to_pcm16()
    assert (np.sign(pcm) * np.sign(values) >= 0).all()
    assert np.abs(Audio.from_pcm16(pcm, 8_000).samples).max() <= 1.0


def test_resampling_keeps_pitch_and_duration() -> None:
    audio = Audio(tone(1.0, 48_000), 48_000).resampled(16_000)
    assert audio.samples.shape == (16_000,)
    assert np.abs(np.fft.rfft(audio.samples)).argmax() == 440


def test_an_unwritable_target_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="can't be written"):
        write_wav(tmp_path / "no" / "such.wav", [np.zeros(4, "int16")])
