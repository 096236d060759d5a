"""Embedders: vectors of texts and audio in which similar items are close; the lexical one."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from assistant.audio.samples import Float32
from assistant.library.words import concept_of, is_chinese, means_nothing, words_of

T_contra = TypeVar("T_contra", contravariant=True)


class Embedder(Protocol[T_contra]):
    """Turns texts (`Embedder[str]`) or audio (`Embedder[Audio]`) into vectors: an extension point.

    `open_library(settings, text_embedder=..., audio_embedder=...)` takes them.
    """

    name: str
    """Names the files of the index, so that each embedder has its own: letters, digits, hyphens."""
    version: int
    """Another version builds the index again; to be raised if the same item gets another vector."""
    dim: int
    """The number of values in a vector."""

    def embed(self, items: Sequence[T_contra]) -> Float32:
        """Returns the vectors, shape (len(items), dim).

        Each row has length 1, or is all zeros if the item says nothing. Blocks; it may be called
        from several threads at once.
        """
        ...


class LexicalEmbedder:
    """Embeds texts by their words, parts of words, and what the words mean for a voice.

    Each word has up to three kinds of features: the concept that it means (so that "man" and "男声"
    are one), the word itself, and its character n-grams (so that "scot" is near "scottish"; 1- and
    2-grams of Chinese, 3- and 4-grams of others). Features are hashed with a sign into `dim` places
    (K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009). There
    are no IDF weights, see vocabulary.STOP.

    256 places are enough: of the ten nearest descriptions by unhashed features, among 20,000
    generated ones, 0.99 are among the first 50 by the vectors (0.96 with 128 places, 0.99 with
    512), and the first 200 are ranked again by ranking.py.
    """

    name = "lexical"
    version = 1

    def __init__(self, dim: int = 256) -> None:
        self.dim = dim

    def embed(self, items: Sequence[str]) -> Float32:
        vectors = np.zeros((len(items), self.dim), dtype=np.float32)
        for row, text in zip(vectors, items, strict=True):
            # A repeated word counts once.
            for word in dict.fromkeys(words_of(text)):
                places, weights = hashed(word, self.dim)
                np.add.at(row, places, weights)
        return unit_rows(vectors)


def unit_rows(vectors: npt.NDArray[np.floating]) -> Float32:
    """Each row at length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def features(word: str) -> list[tuple[str, float]]:
    """The features of one word with their weights."""
    if concept := concept_of(word):
        return [(f"#{concept}", 2.0), (word, 0.5)]
    if means_nothing(word):
        return [(word, 0.1)]
    grams = _grams(word)
    # All n-grams of a word together weigh as much as the word.
    share = 1.0 / max(1.0, len(grams)) ** 0.5
    return [(word, 1.0), *((f"{gram}_", share) for gram in grams)]


def _grams(word: str) -> list[str]:
    sizes, marked = ((1, 2), word) if is_chinese(word) else ((3, 4), f"<{word}>")
    return [marked[i : i + n] for n in sizes for i in range(len(marked) - n + 1)]


@lru_cache(maxsize=65_536)
def hashed(word: str, dim: int) -> tuple[npt.NDArray[np.intp], Float32]:
    """A word's features in their places of a vector: the places and what to add there."""
    pairs = features(word)
    hashes = [zlib.crc32(name.encode()) for name, _ in pairs]
    signs = [1.0 if value & 1 else -1.0 for value in hashes]
    places = np.array([(value >> 1) % dim for value in hashes], dtype=np.intp)
    weights = np.array([weight for _, weight in pairs]) * signs
    return places, weights.astype(np.float32)
