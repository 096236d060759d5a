"""A voice (timbre) to speak in, its measured traits, and a search result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_VOICE = "default"
"""The id of the voice that a session starts with and goes back to."""


@dataclass(frozen=True, slots=True)
class VoiceTraits:
    """The measured traits of a voice."""

    pitch_hz: float  # median fundamental frequency
    pitch_range_semitones: float  # from the 10th to the 90th percentile
    syllables_per_s: float
    loudness_db: float  # RMS of the speech, relative to full scale
    brightness_hz: float  # spectral centroid of the speech


@dataclass(frozen=True, slots=True)
class Voice:
    """A timbre to speak in: a clip of the library, or the engine's own normal voice (no path)."""

    id: str = DEFAULT_VOICE
    path: Path | None = None
    description: str = ""
    language: str = ""  # BCP 47, empty when unknown
    transcript: str = ""  # the words of the clip
    traits: VoiceTraits | None = None


@dataclass(frozen=True, slots=True)
class VoiceMatch:
    """A voice that a search of the library found; `score` is 1.0 for a perfect match."""

    voice: Voice
    score: float
