"""An index on disk. A file that is missing, stale or damaged is not loaded, and is built again.

    index/NAME.main.npy  NAME.main.keys.npy  NAME.main.faiss  NAME.tail.npy  NAME.tail.keys.npy
    index/NAME.json      format, embedder, and the sha256 of each of the files; written last

NAME names the contents and the embedder.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.library.ann import from_bytes, to_bytes
from assistant.library.embedding import Embedder
from assistant.library.files import sha256_of, write_atomic
from assistant.library.index import Block, Keys, VectorIndex

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
