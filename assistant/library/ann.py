"""The approximate FAISS index for large libraries.

Inverted lists with product quantization in 4 bits, scanned with SIMD (F. André et al., "Cache
locality is not enough: high-performance nearest neighbor search with product quantization fast
scan", VLDB 2015; FAISS: IndexIVFPQFastScan). It is only asked for candidates, whose exact
products the caller takes: the quantization errors then cost little recall. Against HNSW it builds
many times faster and takes half the memory; see benchmarks/audio_search.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from assistant.audio import Float32

_CANDIDATES = 1_000
_PROBED_SHARE = 0.04
_LISTS_PER_ROOT = 4  # lists = 4 sqrt(n), FAISS's own guideline
_TRAINING_PER_LIST = 40  # FAISS wants 39 and more
_ROUNDS = 10  # of k-means
_BATCH = 50_000
_SEED = 1_234


def build_accelerator(
    vectors: Float32, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Any:
    """A trained and filled FAISS index over `vectors`, shape (n, dim), dim even."""
    import faiss

    n, dim = vectors.shape
    lists = max(1, int(_LISTS_PER_ROOT * n**0.5))
    index = faiss.IndexIVFPQFastScan(
        faiss.IndexFlatIP(dim), dim, lists, dim // 2, 4, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter = _ROUNDS
    index.cp.seed = _SEED
    on_progress(0, n)
    index.train(_training_rows(vectors, lists * _TRAINING_PER_LIST))
    for start in range(0, n, _BATCH):
        index.add(np.ascontiguousarray(vectors[start : start + _BATCH]))
        on_progress(min(start + _BATCH, n), n)
    return index


def _training_rows(vectors: Float32, count: int) -> Float32:
    if count >= len(vectors):
        return np.ascontiguousarray(vectors)
    rows = np.random.default_rng(_SEED).choice(len(vectors), count, replace=False)
    return np.ascontiguousarray(vectors[np.sort(rows)])


def candidates(index: Any, query: Float32, limit: int) -> npt.NDArray[np.intp]:
    """Rows that are likely among the nearest, in no order that matters; more than `limit`."""
    import faiss

    probes = faiss.SearchParametersIVF(nprobe=max(16, int(index.nlist * _PROBED_SHARE)))
    count = min(int(index.ntotal), max(_CANDIDATES, 10 * limit))
    _, rows = index.search(query[None, :], count, params=probes)
    return cast(npt.NDArray[np.intp], rows[0][rows[0] >= 0])


def to_bytes(index: Any) -> bytes:
    import faiss

    return cast(bytes, faiss.serialize_index(index).tobytes())


def from_bytes(content: bytes) -> Any:
    """Raises ValueError for what is no index."""
    import faiss

    try:
        return faiss.deserialize_index(np.frombuffer(content, dtype=np.uint8))
    except RuntimeError as error:
        raise ValueError(f"not a FAISS index: {str(error)[:100]}") from error
