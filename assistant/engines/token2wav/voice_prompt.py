"""The prompt of a voice in a small file, which is checked when it is read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from assistant.audio.samples import Float32

_VERSION = "1"
"""The version of the format, raised whenever the same clip would lead to other values."""


@dataclass(frozen=True, slots=True, eq=False)
class VoicePrompt:
    """A clip, as the flow wants it. The frames are two a token."""

    tokens: npt.NDArray[np.int64]  # (n,), 25 a second
    mel: Float32  # (2 * n, 80)
    speaker: Float32  # (192,)

    @property
    def seconds(self) -> float:
        return len(self.tokens) / 25

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all. Raises OSError."""
        tensors: dict[str, npt.NDArray[Any]] = {
            "tokens": np.ascontiguousarray(self.tokens),
            "mel": np.ascontiguousarray(self.mel),
            "speaker": np.ascontiguousarray(self.speaker),
        }
        data = save(tensors, {"version": _VERSION, "sha256": _digest(tensors)})
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def read(cls, path: Path) -> VoicePrompt | None:
        """Returns the prompt; None if the file does not exist, is damaged or of another version."""
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in ("mel", "speaker", "tokens")}
        except (SafetensorError, OSError, ValueError):
            return None
        if about.get("version") != _VERSION or about.get("sha256") != _digest(tensors):
            return None
        return cls(**tensors)


def _digest(tensors: dict[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name}{tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
