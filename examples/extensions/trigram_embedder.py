"""An embedder of texts, for the search of voices by words.

A program: `Assistant(settings, library=open_library(settings, text_embedder=TrigramEmbedder()))`.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from assistant.extending import Float32


class TrigramEmbedder:
    """Embeds a text by its groups of three letters, hashed into 512 places."""

    name = "trigrams"
    version = 1  # another version builds the index again
    dim = 512

    def embed(self, items: Sequence[str]) -> Float32:
        """Returns one row of length 1 for each text."""
        vectors: Float32 = np.zeros((len(items), self.dim), dtype=np.float32)
        for row, text in zip(vectors, items, strict=True):
            padded = f"  {text.lower()} "
            for start in range(len(padded) - 2):
                row[zlib.crc32(padded[start : start + 3].encode()) % self.dim] += 1.0
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
        vectors /= np.maximum(lengths, 1e-12)  # a text without letters stays zeros
        return vectors
