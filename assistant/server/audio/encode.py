"""Encodes audio for clients: raw, WAV, MP3, FLAC or Opus; as a whole file, or as a stream."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile

from assistant.audio.encode import write_wav
from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.server.http.errors import ApiError

_UNKNOWN_SIZE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Format:
    """A container and its codec; `container` is empty for raw samples."""

    name: str
    content_type: str
    container: str = ""
    codec: str = ""
    whole: bool = False
    """The header holds the length: sent as a whole file unless a stream is asked for."""
    held: bool = False
    """Readers need the length: a stream of it brings everything at the end."""


FORMATS = {
    "wav": Format("wav", "audio/wav", whole=True),
    "pcm": Format("pcm", "audio/pcm"),
    "mp3": Format("mp3", "audio/mpeg", "MP3", "MPEG_LAYER_III"),
    "flac": Format("flac", "audio/flac", "FLAC", "PCM_16", whole=True, held=True),
    "opus": Format("opus", "audio/ogg", "OGG", "OPUS"),
}
_ALIASES = {"pcm16": "pcm", "ogg": "opus"}


def format_named(name: str, param: str) -> Format:
    """Raises ApiError: there is no such format."""
    found = FORMATS.get(_ALIASES.get(name, name))
    if found is None:
        known = ", ".join(FORMATS)
        raise ApiError(f"{param}: {name!r} is no format of ours; known: {known}", param=param)
    return found


class Encoder:
    """Samples in, bytes of a file out, as soon as they are certain. 24 kHz mono.

    What is written so can't tell its length in its header: sizes are 0xFFFFFFFF there, or absent.
    FLAC is the exception: libsndfile can't read it then, so it comes when it is finished.
    """

    def __init__(self, audio_format: Format) -> None:
        self._audio_format = audio_format
        self._sent = 0
        self._buffer = io.BytesIO()
        self._file = _open(audio_format, self._buffer) if audio_format.container else None

    def start(self) -> bytes:
        """Returns the bytes before the first sample."""
        return wav_header() if self._audio_format.name == "wav" else b""

    def feed(self, samples: Pcm16) -> bytes:
        if self._file is None:
            return samples.astype("<i2", copy=False).tobytes()
        self._file.write(samples)
        return b"" if self._audio_format.held else self._new()

    def finish(self) -> bytes:
        """The rest; nothing can be fed after it."""
        if self._file is None:
            return b""
        self._file.close()
        return self._new()

    def _new(self) -> bytes:
        self._buffer.seek(self._sent)
        piece = self._buffer.read()
        self._sent += len(piece)
        return piece


def encode(audio_format: Format, chunks: Sequence[Pcm16]) -> bytes:
    """A whole file, with its true length in its header."""
    buffer = io.BytesIO()
    if audio_format.name == "wav":
        write_wav(buffer, chunks)
    elif not audio_format.container:
        buffer.writelines(chunk.astype("<i2", copy=False).tobytes() for chunk in chunks)
    else:
        with _open(audio_format, buffer) as file:
            for chunk in chunks or [np.zeros(0, np.int16)]:
                file.write(chunk)
    return buffer.getvalue()


def _open(audio_format: Format, buffer: io.BytesIO) -> soundfile.SoundFile:
    # A constant bit rate, since readers compute the length of an MP3 without a header from it.
    mode: Literal["CONSTANT"] | None = "CONSTANT" if audio_format.container == "MP3" else None
    return soundfile.SoundFile(
        buffer,
        "w",
        OUTPUT_RATE,
        1,
        format=audio_format.container,
        subtype=audio_format.codec,
        bitrate_mode=mode,
        compression_level=0.5 if mode else None,
    )


def wav_header() -> bytes:
    """Returns the WAV header of a stream: 44 bytes, both sizes unknown."""
    audio_format = struct.pack("<IHHIIHH", 16, 1, 1, OUTPUT_RATE, 2 * OUTPUT_RATE, 2, 16)
    size = struct.pack("<I", _UNKNOWN_SIZE)
    return b"RIFF" + size + b"WAVEfmt " + audio_format + b"data" + size
