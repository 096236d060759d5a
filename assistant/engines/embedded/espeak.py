"""espeak-ng by its C library (speak_lib.h), inside this process.

The library has its voice, parameters and callback in globals, so only one sentence at a time is
synthesized in a process. One second of audio takes a few milliseconds, so the wait is short.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import espeakng_loader
import numpy as np

from assistant.audio.samples import Pcm16
from assistant.errors import EngineError

_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000  # output mode and option of espeak_Initialize
_UTF8, _END_PAUSE = 0x1, 0x1000  # flags of espeak_Synth; without its SSML and phoneme flags
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_BUFFER_MS = 200  # how often a running sentence can be stopped


_MAX_TAG = 35  # characters of a language tag


@dataclass(frozen=True, slots=True)
class Timbre:
    """The parameters of espeak-ng's voice; the defaults are its own."""

    variant: str = ""  # a file of espeak-ng-data/voices/!v, such as "m3" or "f2"
    pitch: int = 50  # 0 to 99
    pitch_range: int = 50  # 0 (monotone) to 99
    words_per_minute: int = 175  # 80 to 450


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),  # (priority byte, tag, NUL)*, then a 0 byte
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Espeak:
    """The library, loaded once in a process; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        try:
            self._library: Any = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        except OSError as error:
            raise EngineError(f"espeak-ng can't be loaded: {error}") from error
        data = str(espeakng_loader.get_data_path()).encode()
        initialize = self._library.espeak_Initialize
        self.sample_rate: int = initialize(_SYNCHRONOUS, _BUFFER_MS, data, _DONT_EXIT)
        if self.sample_rate <= 0:
            raise EngineError(f"espeak-ng can't read its data in {data.decode()}")
        self.voices = self._list_voices()
        """Language tag (lower case) to the voice's identifier."""

    def voice_of(self, language: str) -> str | None:
        """Returns the identifier of the voice for a BCP 47 tag; None if espeak-ng has none.

        Only the first 35 characters count: no tag in use is longer (RFC 5646, section 4.4.1).
        """
        tag = language[:_MAX_TAG].lower().replace("_", "-")
        tag = _TAGS.get(tag, tag)
        while tag:
            if tag in self.voices:
                return self.voices[tag]
            tag = tag.rpartition("-")[0]
            tag = _TAGS.get(tag, tag)
        return None

    def synthesize(
        self, text: str, voice: str, timbre: Timbre, stopped: Callable[[], bool]
    ) -> Pcm16:
        """Speaks one sentence: shape (n,) at `sample_rate`; cut short once `stopped()` is true.

        `voice` is an identifier of `voices`. The text can't steer: pass it through
        `wording.speakable` first, which takes the control characters away.
        """
        pieces: list[Pcm16] = []

        def collect(samples: Any, count: int, events: int | None) -> int:
            if samples and count > 0:
                pieces.append(np.ctypeslib.as_array(samples, (count,)).astype(np.int16))
            return int(stopped())

        callback = _Callback(collect)
        encoded = text.encode("utf-8", "ignore") + b"\0"
        with self._lock:
            self._set(voice, timbre)
            self._library.espeak_SetSynthCallback(callback)
            self._library.espeak_Synth(
                encoded, len(encoded), 0, 0, 0, _UTF8 | _END_PAUSE, None, None
            )
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def _set(self, voice: str, timbre: Timbre) -> None:
        name = f"{voice}+{timbre.variant}" if timbre.variant else voice
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise EngineError(f"espeak-ng has no voice {name!r}")
        for parameter, value in (
            (_RATE, timbre.words_per_minute),
            (_PITCH, timbre.pitch),
            (_RANGE, timbre.pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)

    def _list_voices(self) -> dict[str, str]:
        list_voices = self._library.espeak_ListVoices
        list_voices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        found: dict[str, tuple[int, str]] = {}
        for pointer in _until_null(list_voices(None)):
            voice = pointer.contents
            identifier = voice.identifier.decode()
            for priority, tag in _languages(voice.languages):
                best = found.get(tag)
                if best is None or priority < best[0]:
                    found[tag] = (priority, identifier)
        return {tag: identifier for tag, (_, identifier) in found.items()}


_TAGS = {"zh": "cmn", "en": "en-us", "nb": "nb", "no": "nb", "fil": "tl", "iw": "he"}
"""espeak-ng's tags that differ from BCP 47's usual ones."""


@cache
def load() -> Espeak:
    """The one instance of this process. Raises EngineError."""
    return Espeak()


def _until_null(pointers: Any) -> Any:
    index = 0
    while pointers[index]:
        yield pointers[index]
        index += 1


def _languages(address: int) -> list[tuple[int, str]]:
    """Reads (priority byte, tag, NUL)* up to a priority of 0."""
    found = []
    while priority := ctypes.c_ubyte.from_address(address).value:
        tag = ctypes.string_at(address + 1)
        found.append((priority, tag.decode().lower()))
        address += len(tag) + 2
    return found
