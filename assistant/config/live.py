"""The settings of live conversations: turn detection, interruption, lead-ins."""

from __future__ import annotations

from pydantic import Field

from assistant.config.base import Table


class LiveSettings(Table):
    """How a live conversation takes turns. Lengths are of audio, as it arrives."""

    threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Probability of speech, by Silero VAD, from which a frame of audio counts as speech."""
    prefix_ms: int = Field(default=300, ge=0, le=2_000)
    """Audio before the detected start that belongs to the user turn, in milliseconds; 0 adds none.
    """
    min_speech_ms: int = Field(default=120, ge=0, le=2_000)
    """Speech shorter than this, in milliseconds, is a click or a cough and starts no user turn."""
    silence_ms: int = Field(default=400, ge=100, le=10_000)
    """Silence that ends the user turn after a complete sentence, in milliseconds."""
    long_silence_ms: int = Field(default=800, ge=100, le=20_000)
    """Silence that ends the user turn after an incomplete sentence, in milliseconds; if it is not
    known whether the sentence is complete, the mean of both silences does.
    """
    speculate_ms: int = Field(default=120, ge=0, le=5_000)
    """Silence after which a speculative response is started, in milliseconds; 0 never starts one.
    """
    max_user_turn_s: float = Field(default=60.0, gt=1.0)
    """A user turn is cut at this length, in seconds."""
    interrupt: bool = True
    """Whether speech over a response stops it."""
    interrupt_ms: int = Field(default=96, ge=0, le=2_000)
    """Speech over a response that stops it, in milliseconds, if its audio can't be paused."""
    resume_ms: int = Field(default=320, ge=0, le=5_000)
    """Speech over a response that stops it, in milliseconds, if its audio can be paused: it pauses
    at once, and resumes after shorter speech.
    """
    lead_ins: bool = True
    """Whether a short phrase is said while a slow tool runs."""
