"""The prompt of the language model: ids, and audio in its places."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from assistant.audio.samples import Audio, Float32
from assistant.engines.nn.mel import SAMPLE_RATE
from assistant.engines.step_audio_2.audio_pieces import patch_count, pieces
from assistant.engines.step_audio_2.sizes import AudioSizes
from assistant.engines.step_audio_2.tokens import Mark, Tokenizer
from assistant.errors import AudioError


@dataclass(frozen=True, slots=True, eq=False)
class AudioPiece:
    """A piece of audio, at most 25 s at 16 kHz, and the number of positions that it takes."""

    samples: Float32
    patches: int
    key: int
    """A negative number that identifies the audio; `key - i` stands for its patch i."""


@dataclass(slots=True)
class Prompt:
    """`ids` are for the model; `prefix_ids` are the same, but tell one audio from another, so
    that the beginning which two prompts share can be found.
    """

    ids: list[int] = field(default_factory=list)
    prefix_ids: list[int] = field(default_factory=list)
    audio: list[tuple[int, AudioPiece]] = field(default_factory=list)
    """Each with its first position."""

    def __len__(self) -> int:
        return len(self.ids)

    def add_ids(self, ids: Sequence[int]) -> None:
        self.ids += ids
        self.prefix_ids += ids

    def extended(self, ids: Sequence[int]) -> Prompt:
        """Returns a copy that continues with these ids."""
        return Prompt([*self.ids, *ids], [*self.prefix_ids, *ids], self.audio)

    def add_piece(self, piece: AudioPiece, patch: int) -> None:
        if piece.patches:
            self.audio.append((len(self.ids), piece))
        self.ids += [patch] * piece.patches
        self.prefix_ids += range(piece.key, piece.key - piece.patches, -1)


Text = str | Mark
"""Text of anybody, or a mark of ours."""
Part = Text | Audio | tuple[int, ...]
"""The same, or audio, or ids that the model generated."""


class AudioEmbeddingCache:
    """Prepares the audio of one conversation, each piece once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Audio, list[AudioPiece]]] = {}

    def pieces(self, audio: Audio, sizes: AudioSizes) -> list[AudioPiece]:
        """Returns the pieces. Raises AudioError if the audio is too short or has invalid
        samples.
        """
        if id(audio) not in self._known:
            self._known[id(audio)] = (audio, _pieces(audio, sizes))
        return self._known[id(audio)][1]

    def forget_all_but(self, audio: Sequence[Audio]) -> None:
        kept = {id(audio) for audio in audio}
        self._known = {key: value for key, value in self._known.items() if key in kept}


def _pieces(audio: Audio, sizes: AudioSizes) -> list[AudioPiece]:
    if not np.isfinite(audio.samples).all():
        raise AudioError("the recording has samples that are no numbers (NaN or infinite)")
    made = [
        AudioPiece(samples, _patches(len(samples), sizes), _key(samples))
        for samples in pieces(audio.resampled(SAMPLE_RATE).samples)
    ]
    if not sum(piece.patches for piece in made):
        hint = "record at least a tenth of a second"
        raise AudioError(f"the recording is too short: {audio.seconds:.2f} seconds", hint=hint)
    return made


def _patches(samples: int, sizes: AudioSizes) -> int:
    return patch_count(samples, kernel_size=sizes.kernel_size, stride=sizes.adapter_stride)


def _key(samples: Float32) -> int:
    digest = hashlib.blake2b(np.ascontiguousarray(samples).data, digest_size=8).digest()
    return -1 - (int.from_bytes(digest, "big") << 12)  # room for the patches below


class PromptWriter:
    """Writes turns, or plain continuations, part by part."""

    def __init__(
        self, tokenizer: Tokenizer, sizes: AudioSizes, audio_cache: AudioEmbeddingCache
    ) -> None:
        self._tokenizer, self._sizes, self._audio_cache = tokenizer, sizes, audio_cache
        self.prompt = Prompt()

    def turn(self, role: str, *parts: Part, is_open: bool = False) -> None:
        """`<|BOT|>{role}`, a line feed, the parts, and `<|EOT|>` unless the turn stays open."""
        special = self._tokenizer.special
        self.prompt.add_ids([special.bot])
        self.write(f"{role}\n", *parts)
        if not is_open:
            self.prompt.add_ids([special.eot])

    def write(self, *parts: Part) -> None:
        run: list[Text] = []  # text beside text is encoded as one
        for part in parts:
            if isinstance(part, (str, Mark)):
                run.append(part)
                continue
            self._write_text(run)
            run = []
            if isinstance(part, Audio):
                self._write_audio(part)
            else:
                self.prompt.add_ids(part)
        self._write_text(run)

    def _write_text(self, run: Sequence[Text]) -> None:
        self.prompt.add_ids(self._tokenizer.encode(*run))

    def _write_audio(self, audio: Audio) -> None:
        special = self._tokenizer.special
        for piece in self._audio_cache.pieces(audio, self._sizes):
            self.prompt.add_ids([special.audio_start])
            self.prompt.add_piece(piece, special.audio_patch)
            self.prompt.add_ids([special.audio_end])
