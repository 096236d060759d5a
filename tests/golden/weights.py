"""Weights made by a rule from each parameter's name, so that exactness is checked at full size.

The rule is the one the golden vectors were made with: whoever knows the names and shapes of a
model and the salt has its weights, and no checkpoint has to be kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

_NOT_TABLES = ("affine", "pos", "embed.out", "t_embedder")


def weight(name: str, shape: tuple[int, ...], salt: str) -> npt.NDArray[np.float32]:
    """The parameter `name` of `shape`: normal noise seeded by the name, scaled by its kind."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32((salt + name).encode())))
    noise = generator.standard_normal(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return _scaled(name, noise).astype(np.float32)


def _scaled(name: str, noise: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if "alpha" in name:
        return 1 + 0.1 * np.abs(noise)
    if name.endswith("original0"):
        return (0.1 if "conv_post" in name else 0.5) * (1 + 0.1 * np.abs(noise))
    if noise.ndim >= 2:
        table = "embed" in name and not any(part in name for part in _NOT_TABLES)
        fan_in = np.sqrt(np.prod(noise.shape[1:]), dtype=np.float32)
        return noise if table else noise / fan_in
    return 1 + 0.1 * noise if name.endswith("weight") else 0.1 * noise


def state_dict(
    shapes: Mapping[str, Sequence[int]], salt: str
) -> dict[str, npt.NDArray[np.float32]]:
    """All parameters of a model, from its names and shapes."""
    return {name: weight(name, tuple(shape), salt) for name, shape in shapes.items()}
