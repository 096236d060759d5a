"""The place of the golden vectors, and the rule for the weights they were computed with."""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

GOLDEN_DIR = Path(os.environ.get("GOLDEN_DIR") or Path(__file__).parent)
_NOT_TABLES = ("affine", "pos", "embed.out", "t_embedder")


def salt() -> str:
    file = GOLDEN_DIR / "salt.txt"
    return file.read_text("utf-8").strip() if file.is_file() else "public"


def manifest() -> dict[str, dict[str, list[int]]]:
    """Returns name and shape of every parameter of each part (`lm_tiny`, `flow`, `hift`)."""
    values: dict[str, dict[str, list[int]]] = json.loads(
        (GOLDEN_DIR / "manifest.json").read_text("utf-8")
    )
    return values


def weight(name: str, shape: Sequence[int]) -> npt.NDArray[np.float32]:
    """Returns the values of one parameter, by the rule in README.md."""
    seed = zlib.crc32((salt() + name).encode())
    generator = np.random.Generator(np.random.PCG64(seed))
    x = generator.standard_normal(math.prod(shape), dtype=np.float32).reshape(shape)
    return _scaled(name, x).astype(np.float32)


def _scaled(name: str, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if "alpha" in name:
        return 1 + 0.1 * np.abs(x)
    if name.endswith("original0"):
        return (0.1 if "conv_post" in name else 0.5) * (1 + 0.1 * np.abs(x))
    if x.ndim >= 2:
        is_table = "embed" in name and not any(word in name for word in _NOT_TABLES)
        return x if is_table else x / np.float32(math.sqrt(math.prod(x.shape[1:])))
    return 1 + 0.1 * x if name.endswith("weight") else 0.1 * x


def relative_error(actual: npt.ArrayLike, expected: npt.ArrayLike) -> float:
    """Returns the norm of the difference over the norm of the expected values."""
    reference = np.asarray(expected, dtype=np.float64)
    difference = np.asarray(actual, dtype=np.float64) - reference
    return float(np.linalg.norm(difference) / np.linalg.norm(reference))
