"""G.711 equals libsndfile, and Python's own module if there is one."""

from __future__ import annotations

import io
import sys
import warnings

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from assistant.audio.g711 import A_LAW, MU_LAW, Codec
from assistant.audio.samples import Pcm16

ALL_SAMPLES = np.arange(-32_768, 32_768).astype(np.int16)
ALL_CODES = bytes(range(256))
LAWS = pytest.mark.parametrize(
    ("codec", "subtype", "step"), [(MU_LAW, "ULAW", 4), (A_LAW, "ALAW", 16)], ids=["mu", "a"]
)


def codes(data: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8)


def theirs_encoded(samples: Pcm16, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 8_000, format="RAW", subtype=subtype)
    return buffer.getvalue()


def theirs_decoded(data: bytes, subtype: str) -> Pcm16:
    samples, _ = soundfile.read(
        io.BytesIO(data), dtype="int16", format="RAW", subtype=subtype, samplerate=8_000, channels=1
    )
    decoded: Pcm16 = samples
    return decoded


def assert_differs_on_decision_values_only(codec: Codec, theirs: bytes, step: int) -> None:
    """`step`: the resolution of the law in samples of 16 bits."""
    ours, wanted = codes(codec.encode(ALL_SAMPLES)), codes(theirs)
    wide = ALL_SAMPLES.astype(np.int32)
    shifted = [
        codes(codec.encode(np.clip(wide + shift, -32_768, 32_767).astype(np.int16)))
        for shift in (-step, step)
    ]
    different = ours != wanted
    assert np.all(~different | (shifted[0] == wanted) | (shifted[1] == wanted))
    assert (
        np.count_nonzero(different) <= 127 * step
    )  # at most one sample at the border of each negative code


@LAWS
def test_every_code_is_decoded_as_libsndfile_does(codec: Codec, subtype: str, step: int) -> None:
    assert np.array_equal(codec.decode(ALL_CODES), theirs_decoded(ALL_CODES, subtype))


@LAWS
def test_every_sample_is_encoded_as_libsndfile_does_except_on_decision_values(
    codec: Codec, subtype: str, step: int
) -> None:
    theirs = theirs_encoded(ALL_SAMPLES, subtype)
    assert_differs_on_decision_values_only(codec, theirs, step)
    assert np.count_nonzero(codes(codec.encode(ALL_SAMPLES)) != codes(theirs)) == 127


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python 3.13 has no audioop")
def test_both_laws_agree_with_audioop() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    pcm = ALL_SAMPLES.tobytes()
    assert MU_LAW.decode(ALL_CODES).tobytes() == audioop.ulaw2lin(ALL_CODES, 2)
    assert A_LAW.decode(ALL_CODES).tobytes() == audioop.alaw2lin(ALL_CODES, 2)
    assert A_LAW.encode(ALL_SAMPLES) == audioop.lin2alaw(pcm, 2)
    assert_differs_on_decision_values_only(MU_LAW, audioop.lin2ulaw(pcm, 2), 4)


@LAWS
def test_a_decoded_code_is_encoded_to_the_same_code(codec: Codec, subtype: str, step: int) -> None:
    again = codes(codec.encode(codec.decode(ALL_CODES)))
    wanted = codes(ALL_CODES).copy()
    if codec is MU_LAW:
        wanted[0x7F] = 0xFF  # minus zero is zero
    assert np.array_equal(again, wanted)


@LAWS
def test_silence_is_the_code_that_telephones_send(codec: Codec, subtype: str, step: int) -> None:
    silence = {MU_LAW.name: b"\xff", A_LAW.name: b"\xd5"}[codec.name]
    assert codec.encode(np.zeros(160, np.int16)) == silence * 160


@LAWS
def test_the_quantization_error_is_a_small_fraction_of_the_sample(
    codec: Codec, subtype: str, step: int
) -> None:
    decoded = codec.decode(codec.encode(ALL_SAMPLES)).astype(np.float64)
    samples = ALL_SAMPLES.astype(np.float64)
    inside = np.abs(samples) <= 32_124  # where mu-law ends
    allowed = np.abs(samples) / 30 + step
    assert np.all(np.abs(decoded - samples)[inside] <= allowed[inside])


def test_samples_of_any_layout_and_count_are_encoded() -> None:
    assert MU_LAW.encode(np.zeros(0, np.int16)) == b""
    assert len(A_LAW.decode(b"")) == 0
    assert MU_LAW.encode(ALL_SAMPLES[::2]) == MU_LAW.encode(ALL_SAMPLES[::2].copy())
    assert MU_LAW.encode(ALL_SAMPLES.astype(">i2")) == MU_LAW.encode(ALL_SAMPLES)
