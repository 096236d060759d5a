"""Audio on its way in and out: base64 of 24 kHz PCM, or of 8 kHz mu-law or A-law."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import numpy as np

from assistant.audio.g711 import A_LAW, MU_LAW, Codec
from assistant.audio.resample import Resampler
from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.server.http.errors import ApiError
from assistant.server.realtime.session_config import RATES, AudioFormat

DELTA_S = 0.2
"""The longest audio of one event, in seconds: 10 kB of PCM."""

_CODECS: dict[str, Codec] = {"audio/pcmu": MU_LAW, "audio/pcma": A_LAW}


class AudioDecoder:
    """Decodes what a client sends, piece by piece."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self.rate = RATES[audio_format.type]
        self._rest = b""  # half a sample

    def decode(self, text: str) -> Pcm16:
        """Mono, at `rate`. Raises ApiError: not base64."""
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ApiError("audio: not base64", param="audio", code="invalid_value") from None
        codec = _CODECS.get(self.format.type)
        if codec is not None:
            return codec.decode(data)
        data = self._rest + data
        whole = len(data) - len(data) % 2
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], "<i2").astype(np.int16)


class AudioEncoder:
    """Encodes the audio of one response. Input is 24 kHz."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._codec = _CODECS.get(audio_format.type)
        self._rate = RATES[audio_format.type]
        self._resampler = Resampler(OUTPUT_RATE, self._rate)

    def encode(self, samples: Pcm16) -> Iterator[str]:
        """Yields pieces of at most DELTA_S, possibly none."""
        yield from self._pieces(self._resampler.feed(samples))

    def finish(self) -> Iterator[str]:
        yield from self._pieces(self._resampler.finish())

    def _pieces(self, samples: Pcm16) -> Iterator[str]:
        step = int(DELTA_S * self._rate)
        for at in range(0, len(samples), step):
            piece = samples[at : at + step]
            codec = self._codec
            data = codec.encode(piece) if codec else piece.astype("<i2", copy=False).tobytes()
            yield base64.b64encode(data).decode("ascii")
