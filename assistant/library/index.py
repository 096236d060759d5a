"""Nearest vectors by inner product, exact for few vectors and approximate for many.

A `VectorIndex` never changes: adding returns a new one that shares what it can, so that a search
sees one state from start to end, without a lock.

    VectorIndex = main block   (vectors, and a FAISS index that finds candidates among them)
                + tail block   (vectors that were added since; searched exactly)

Candidates of the approximate search are ranked again by their exact products.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.audio.samples import Float32
from assistant.library.ann import build_accelerator, candidates, from_bytes, to_bytes
from assistant.library.embedding import Embedder
from assistant.library.files import sha256_of, write_atomic

EXACT_LIMIT = 20_000
"""Vectors that are searched exactly; see benchmarks/audio_search.py for the time this takes."""
KEY_BYTES = 16
Keys = npt.NDArray[np.void]
"""Shape (n,), KEY_BYTES each: names of rows."""


@dataclass(frozen=True, eq=False)
class Block:
    """`keys` of shape (n,), `vectors` of shape (n, dim), and an index over them or None."""

    keys: Keys
    vectors: Float32
    accelerator: Any = None

    def search(self, query: Float32, limit: int) -> tuple[npt.NDArray[np.intp], Float32]:
        """Rows and products of the nearest, best first; `query` of shape (dim,)."""
        if self.accelerator is not None:
            rows = candidates(self.accelerator, query, limit)
            products = self.vectors[rows] @ query
        else:
            products = self.vectors @ query
            rows = np.arange(len(products))
        return _best(rows, np.asarray(products, dtype=np.float32), limit)


def _best(
    rows: npt.NDArray[np.intp], products: Float32, limit: int
) -> tuple[npt.NDArray[np.intp], Float32]:
    if limit < len(rows):
        kept = np.argpartition(-products, limit)[:limit]
        rows, products = rows[kept], products[kept]
    order = np.argsort(-products, kind="stable")
    return rows[order], products[order]


def empty_block(dim: int) -> Block:
    return Block(np.zeros(0, dtype=f"V{KEY_BYTES}"), np.zeros((0, dim), dtype=np.float32))


@dataclass(frozen=True, eq=False)
class VectorIndex:
    """An unchanging set of vectors of length 1, each under a key."""

    main: Block
    tail: Block

    @classmethod
    def empty(cls, dim: int) -> VectorIndex:
        return cls(empty_block(dim), empty_block(dim))

    def __len__(self) -> int:
        return len(self.main.keys) + len(self.tail.keys)

    @property
    def dim(self) -> int:
        return int(self.tail.vectors.shape[1])

    @cached_property
    def keys(self) -> frozenset[bytes]:
        return frozenset(self.main.keys.tolist()) | frozenset(self.tail.keys.tolist())

    def search(self, query: Float32, limit: int) -> list[tuple[bytes, float]]:
        """The keys of the `limit` nearest vectors with their products, best first."""
        found = [
            (key, product)
            for block in (self.main, self.tail)
            for key, product in _named(block, query, limit)
        ]
        return sorted(found, key=lambda pair: -pair[1])[:limit]

    def with_rows(
        self,
        keys: Iterable[bytes],
        vectors: Float32,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> VectorIndex:
        """The index with more rows, shape (n, dim); an approximate one once they are many."""
        added = np.array(list(keys), dtype=f"V{KEY_BYTES}")
        tail = Block(
            np.concatenate([self.tail.keys, added]), np.vstack([self.tail.vectors, vectors])
        )
        if len(tail.keys) <= EXACT_LIMIT:
            return VectorIndex(self.main, tail)
        return _merged(self.main, tail, on_progress)

    def only(
        self,
        keys: frozenset[bytes],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> VectorIndex:
        """The index without the rows of other keys."""
        blocks = []
        for block in (self.main, self.tail):
            kept = np.array([key in keys for key in block.keys.tolist()], dtype=np.bool_)
            blocks.append(Block(block.keys[kept], block.vectors[kept]))
        whole = Block(
            np.concatenate([block.keys for block in blocks]),
            np.vstack([block.vectors for block in blocks]),
        )
        start = VectorIndex.empty(self.dim)
        return start.with_rows(whole.keys.tolist(), whole.vectors, on_progress)


def _named(block: Block, query: Float32, limit: int) -> list[tuple[bytes, float]]:
    if not len(block.keys):
        return []
    rows, products = block.search(query, limit)
    return list(zip(block.keys[rows].tolist(), products.tolist(), strict=True))


def _merged(main: Block, tail: Block, on_progress: Callable[[int, int], None]) -> VectorIndex:
    vectors = np.vstack([main.vectors, tail.vectors]) if len(main.keys) else tail.vectors
    keys = np.concatenate([main.keys, tail.keys])
    accelerator = build_accelerator(vectors, on_progress)
    return VectorIndex(Block(keys, vectors, accelerator), empty_block(vectors.shape[1]))


_FORMAT = 1


def save_index(index: VectorIndex, folder: Path, name: str, embedder: Embedder[Any]) -> None:
    """Raises LibraryError when the folder can't be written to."""
    old = _read_sums(folder / f"{name}.json", embedder)
    sums: dict[str, str] = {}
    for part, content in _parts(index).items():
        digest = hashlib.sha256(content).hexdigest()
        sums[part] = digest
        if old.get(part) != digest or not (folder / f"{name}.{part}").is_file():
            write_atomic(folder / f"{name}.{part}", content)
    meta = {"format": _FORMAT, "embedder": _tag(embedder), "sha256": sums}
    write_atomic(folder / f"{name}.json", json.dumps(meta, indent=1).encode())


def load_index(folder: Path, name: str, embedder: Embedder[Any]) -> VectorIndex | None:
    """Returns the saved index; None if there is none that can be used."""
    try:
        sums = _read_sums(folder / f"{name}.json", embedder)
        if not sums or any(sha256_of(folder / f"{name}.{p}") != s for p, s in sums.items()):
            return None
        main = _load_block(folder, f"{name}.main", embedder.dim)
        if "main.faiss" in sums:
            found = from_bytes((folder / f"{name}.main.faiss").read_bytes())
            main = Block(main.keys, main.vectors, found)
        return VectorIndex(main, _load_block(folder, f"{name}.tail", embedder.dim))
    except (OSError, ValueError):
        return None


def _tag(embedder: Embedder[Any]) -> str:
    return f"{embedder.name} {embedder.version} {embedder.dim}"


def _read_sums(path: Path, embedder: Embedder[Any]) -> dict[str, str]:
    """Returns the sha256 of each file; empty for another format or embedder, or broken JSON."""
    try:
        meta = json.loads(path.read_bytes())
        fits = meta["format"] == _FORMAT and meta["embedder"] == _tag(embedder)
        return {str(part): str(digest) for part, digest in meta["sha256"].items()} if fits else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _parts(index: VectorIndex) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    for name, block in (("main", index.main), ("tail", index.tail)):
        parts[f"{name}.keys.npy"] = _npy(block.keys)
        parts[f"{name}.npy"] = _npy(block.vectors)
        if block.accelerator is not None:
            parts[f"{name}.faiss"] = to_bytes(block.accelerator)
    return parts


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _load_block(folder: Path, name: str, dim: int) -> Block:
    keys: Keys = np.load(folder / f"{name}.keys.npy", allow_pickle=False)
    # Mapped, not read: a large library's vectors are only looked up for candidates.
    path = folder / f"{name}.npy"
    vectors = np.load(path, mmap_mode="r" if path.stat().st_size > 1 << 26 else None)
    if vectors.shape != (len(keys), dim) or vectors.dtype != np.float32:
        raise ValueError(f"{path}: vectors of shape {vectors.shape}")
    return Block(keys, vectors)
