"""Encodes 16 bit mono samples as WAV."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.errors import AudioError


def write_wav(target: Path | IO[bytes], chunks: Iterable[Pcm16], rate: int = OUTPUT_RATE) -> None:
    """Writes 16 bit mono WAV. Raises AudioError when the file can't be written."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for chunk in chunks:
            file.writeframes(chunk.astype("<i2", copy=False).tobytes())
    if not isinstance(target, Path):
        target.write(buffer.getvalue())
        return
    try:
        target.write_bytes(buffer.getvalue())
    except OSError as error:
        raise AudioError(f"{target}: can't be written: {error.strerror or error}") from error
