"""The approximate FAISS index for large libraries.

Inverted lists (J. Sivic and A. Zisserman, "Video Google", ICCV 2003) of vectors at 8 bits a place;
FAISS: IndexIVFScalarQuantizer, with one scale for all places, which is an eighth faster than one
for each, and no worse for vectors of length 1. It is only asked for candidates, whose exact
products the caller takes, so that the rounding costs no recall. Measured against it, see
benchmarks/audio_search.py: product quantization at 4 bits is smaller, but its errors are larger
than the differences between descriptions that are alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from assistant.audio.samples import Float32

_LISTS_PER_ROOT = 8  # lists = 8 sqrt(n)
_TRAINING_PER_LIST = 20  # half of what FAISS advises; twice of it gave no better recall
_CANDIDATES = 50
_ROUNDS = 5  # of k-means; 10 gave no better recall
_BATCH = 50_000
_SHARED_LISTS = 4_000  # from here on two threads share the lists of one search
_OVER_LISTS = 1  # FAISS's number for that way of sharing
_SEED = 1_234


def build_accelerator(
    vectors: Float32, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Any:
    """A trained and filled FAISS index over `vectors`, shape (n, dim)."""
    import faiss

    n, dim = vectors.shape
    lists = max(1, min(int(_LISTS_PER_ROOT * n**0.5), n // _TRAINING_PER_LIST))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim),
        dim,
        lists,
        faiss.ScalarQuantizer.QT_8bit_uniform,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.parallel_mode = _OVER_LISTS
    index.cp.niter = _ROUNDS
    index.cp.seed = _SEED
    index.cp.min_points_per_centroid = _TRAINING_PER_LIST // 2
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

    probes = faiss.SearchParametersIVF()
    probes.nprobe = _probes(int(index.nlist))
    count = min(int(index.ntotal), max(_CANDIDATES, 2 * limit))
    # This setting is the calling thread's own. A short search is not worth a second thread, and
    # more than two would be taken from other callers.
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(min(threads, 2) if index.nlist >= _SHARED_LISTS else 1)
    try:
        _, rows = index.search(query[None, :], count, params=probes)
    finally:
        faiss.omp_set_num_threads(threads)
    return cast(npt.NDArray[np.intp], rows[0][rows[0] >= 0])


def _probes(lists: int) -> int:
    """Returns how many lists are searched: chosen for a recall of 0.97 and more at every size."""
    return min(lists, 64 + lists // 40)


def to_bytes(index: Any) -> bytes:
    import faiss

    return faiss.serialize_index(index).tobytes()


def from_bytes(content: bytes) -> Any:
    """Raises ValueError for what is no index."""
    import faiss

    try:
        index: Any = faiss.deserialize_index(np.frombuffer(content, dtype=np.uint8))
    except RuntimeError as error:
        raise ValueError(f"not a FAISS index: {str(error)[:100]}") from error
    index.parallel_mode = _OVER_LISTS  # not in the file
    return index
