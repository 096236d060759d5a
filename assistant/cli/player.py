"""Plays audio with a player of the machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio

from assistant.audio.encode import write_wav
from assistant.audio.samples import Pcm16

PLAYERS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
)
"""Commands that play a WAV file, the usual ones of Linux and macOS, best first."""


def find_player() -> tuple[str, ...] | None:
    """The first player that is installed."""
    return next((player for player in PLAYERS if shutil.which(player[0])), None)


async def play(player: Sequence[str], pieces: Sequence[Pcm16]) -> None:
    """Plays the audio and waits for its end. A player that fails raises no error."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.wav"
        write_wav(path, pieces)
        await anyio.run_process([*player, str(path)], check=False)
