"""Text to speech: sentence by sentence, each in its language, in the timbre of a voice."""

from __future__ import annotations

import threading
from collections.abc import Generator
from functools import lru_cache

import numpy as np
import soxr

from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.audio.voice import Voice, VoiceTraits
from assistant.engines.base import Speech
from assistant.engines.embedded import espeak
from assistant.engines.embedded.espeak import Timbre
from assistant.engines.embedded.languages import runs, speech_language
from assistant.engines.embedded.sentences import sentences
from assistant.engines.embedded.text_normalizer import speakable
from assistant.events import TextDelta


def speak(
    text: str,
    voice: Voice,
    stop: threading.Event,
    *,
    language: str = "",
    user_language: str = "",
    aloud: bool = True,
) -> Generator[TextDelta | Speech, None, None]:
    """Each sentence as text, then as audio. Ends early once `stop` is set.

    `language` is the one to speak in; empty: that of each sentence, and `user_language` where
    that can't be told.
    """
    for sentence in sentences(text):
        if stop.is_set():
            return
        yield TextDelta(sentence)
        if aloud:
            samples = _sentence(sentence, voice, stop, language, user_language)
            if len(samples) and not stop.is_set():
                yield Speech(samples)


def _sentence(
    sentence: str, voice: Voice, stop: threading.Event, language: str, user_language: str
) -> Pcm16:
    """Returns one sentence as audio, shape (n,) at OUTPUT_RATE; empty if there is nothing
    to say.
    """
    words = speakable(sentence)
    if not words:
        return np.zeros(0, np.int16)
    library, timbre = espeak.load(), timbre_of(voice)
    spoken_in = speech_language(words, language, user_language)
    pieces = [
        library.synthesize(piece, _voice(tag), timbre, stop.is_set)
        for tag, piece in runs(words, spoken_in)
        if any(char.isalnum() for char in piece)
    ]
    return _resampled(np.concatenate(pieces), library.sample_rate)


def _resampled(samples: Pcm16, rate: int) -> Pcm16:
    # In float and clipped: resampling overshoots, and int16 would wrap around.
    resampled = soxr.resample(samples.astype(np.float32), rate, OUTPUT_RATE)
    pcm: Pcm16 = np.clip(np.round(resampled), -32768, 32767).astype(np.int16)
    return pcm


@lru_cache(maxsize=256)
def _voice(language: str) -> str:
    """Returns espeak-ng's voice for the language; the English one if it has none."""
    library = espeak.load()
    return library.voice_of(language) or library.voices["en-us"]


NORMAL = Timbre(variant="f2", pitch=45)
"""The voice of a session that has chosen none: a woman's, so that low voices differ from it."""

_PITCH = (0, 25, 50, 75, 99)
_MEDIAN_HZ = {
    "m3": (70.0, 84.0, 104.0, 133.0, 172.0),
    "f2": (127.0, 156.0, 194.0, 248.0, 320.0),
}
_RANGE = (0, 25, 50, 75, 99)
_SEMITONES = (0.4, 2.0, 3.6, 4.9, 6.1)  # 10th to 90th percentile
_HZ_PER_RANGE = 0.0026  # a wider range also lifts the median: share of it per step from 50
_FEMALE_FROM_HZ = 160.0
_WORDS_PER_SYLLABLE = 0.64  # espeak's rate is in English words; measured against syllables


def timbre_of(voice: Voice) -> Timbre:
    """espeak-ng's settings that come nearest to the voice."""
    return _from_traits(voice.traits) if voice.traits else NORMAL


def _from_traits(traits: VoiceTraits) -> Timbre:
    variant = "f2" if traits.pitch_hz >= _FEMALE_FROM_HZ else "m3"
    pitch_range = _interpolated(traits.pitch_range_semitones, _SEMITONES, _RANGE)
    lifted = 1.0 + (pitch_range - 50) * _HZ_PER_RANGE
    median_hz = max(traits.pitch_hz, 1.0) / lifted
    pitch = _interpolated(np.log(median_hz), np.log(_MEDIAN_HZ[variant]), _PITCH)
    words_per_minute = round(traits.syllables_per_s * 60 * _WORDS_PER_SYLLABLE)
    return Timbre(variant, pitch, pitch_range, min(max(words_per_minute, 120), 260))


def _interpolated(value: float, xs: object, ys: tuple[int, ...]) -> int:
    return round(float(np.interp(value, np.asarray(xs), ys)))
