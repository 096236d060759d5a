"""The settings of token2wav: device, precision, chunk sizes and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from assistant.engines.nn.device import resolve_device
from assistant.errors import EngineError, SettingsError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

TOKENS_A_SECOND = 25
SHORTEST_CHUNK = 5
"""The shortest chunk, in tokens: the vocoder holds 4 of them back until the next chunk."""


@dataclass(frozen=True, slots=True)
class Token2WavSettings:
    """The defaults are for a conversation; docs/token2wav.md says what they cost."""

    device: str = "auto"  # auto: the first GPU, or else the CPU
    precision: Precision = "auto"  # of the estimator; auto: bfloat16 if it is fast
    cuda_graphs: bool = True  # on a GPU; if they fail, steps run without them
    euler_steps: int = 10
    first_chunks: tuple[int, ...] = (10, 10, 15)
    """Tokens of the first chunks: small, so that the first audio comes soon, and growing no faster
    than a decoder with a real-time factor of 0.55 can follow without a gap.
    """
    chunk: int = 25
    """Tokens of every chunk after them."""
    history_s: float = 4.0
    """The history, besides the prompt, that the next chunk takes into account, in seconds."""
    max_prompt_s: float = 10.0
    """A longer clip is cut, in seconds: its state takes over a megabyte per frame, at 50 frames per
    second.
    """
    voice_bytes: int = 2 << 30
    """The memory for the states of prepared voices, in bytes."""

    def __post_init__(self) -> None:
        self._check(1 <= self.euler_steps <= 100, "euler_steps", "from 1 to 100")
        for tokens in (*self.first_chunks, self.chunk):
            self._check(SHORTEST_CHUNK <= tokens <= 250, "chunks", "from 5 to 250 tokens")
        self._check(0 <= self.history_s <= 60, "history_s", "from 0 to 60 seconds")
        self._check(1 <= self.max_prompt_s <= 30, "max_prompt_s", "from 1 to 30 seconds")
        self._check(self.precision in ("auto", *_DTYPES), "precision", ", ".join(_DTYPES))

    @staticmethod
    def _check(right: bool, name: str, allowed: str) -> None:
        if not right:
            raise SettingsError(f"token2wav: {name} must be {allowed}")

    @property
    def history_tokens(self) -> int:
        return round(self.history_s * TOKENS_A_SECOND)

    def chunk_sizes(self) -> Iterator[int]:
        """Yields the number of tokens of each chunk, without end."""
        yield from self.first_chunks
        while True:
            yield self.chunk

    def torch_device(self) -> torch.device:
        """Raises SettingsError: no such device here."""
        try:
            return resolve_device(self.device)
        except EngineError as error:
            raise SettingsError(f"token2wav: no device {self.device!r} here") from error

    def dtype(self, device: torch.device) -> torch.dtype:
        """The estimator's precision on `device`."""
        if self.precision != "auto":
            return _DTYPES[self.precision]
        return torch.bfloat16 if _has_bfloat16(device) else torch.float32


def _has_bfloat16(device: torch.device) -> bool:
    """Returns whether the hardware multiplies bfloat16; emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cpu" and known is not None and bool(known())
