"""Searching voices: build time, memory, latency and recall at growing sizes, against exact search.

    python benchmarks/audio_search.py [--sizes 1000,100000,1000000] [--queries 500]

Prints JSON. The vectors are those that the text embedder gives descriptions made like this: a
vocabulary of 3,000 made words and the voice words of the library, taken by Zipf's law (exponent
0.9); one topic (12 words of its own; popular ones more often) for each 250 descriptions; a
description has 7 words of its topic and 4 of all, a query 4 and 1. So the vectors lie in clusters
of uneven sizes, with many near ties, and the queries are no copies of what is stored. `exact` is
FAISS's IndexFlatIP over the same vectors, one query at a time as well. Recall counts a found
vector as right when its product is not below that of the tenth exact one. `thread` is the time of
the processor alone, without the wait for other programs on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from assistant.audio.decode import read_audio
from assistant.audio.samples import Float32
from assistant.config import bundled
from assistant.library import VoiceLibrary, measure
from assistant.library.ann import to_bytes
from assistant.library.embedding import LexicalEmbedder, hashed, unit_rows
from assistant.library.index import EXACT_LIMIT, VectorIndex
from assistant.library.measure import speech_problem
from assistant.library.vocabulary import CONCEPT_OF
from assistant.library.voiceprint import Voiceprint

TOP = 10
SYLLABLES = "kamoritensolvalindorpeshubramiontasgelorfinuzanqui"


class Descriptions:
    """Draws vectors of made descriptions, see above."""

    def __init__(self, topics: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        made = [self.word() for _ in range(3_000)]
        words = [*CONCEPT_OF, *made]
        # What a word adds to a text's vector, before that is scaled to length 1.
        self.words = np.zeros((len(words), LexicalEmbedder().dim), dtype=np.float32)
        for row, word in zip(self.words, words, strict=True):
            np.add.at(row, *hashed(word, len(row)))
        self.common = zipf(len(words), 0.9)
        choose = self.random.choice
        own = [choose(len(words), 12, replace=False, p=self.common) for _ in range(topics)]
        self.topics = np.stack(own)
        self.popular = zipf(topics, 0.5)

    def word(self) -> str:
        starts = self.random.integers(0, len(SYLLABLES) - 3, self.random.integers(2, 5))
        return "".join(SYLLABLES[start : start + 3] for start in starts)

    def draw(self, count: int, own: int, common: int) -> Float32:
        vectors = np.zeros((count, self.words.shape[1]), dtype=np.float32)
        for start in range(0, count, 50_000):
            part = vectors[start : start + 50_000]
            topics = self.random.choice(len(self.topics), len(part), p=self.popular)
            for _ in range(own):
                part += self.words[self.topics[topics, self.random.integers(0, 12, len(part))]]
            for _ in range(common):
                part += self.words[self.random.choice(len(self.words), len(part), p=self.common)]
            part[:] = unit_rows(part)
        return vectors


def zipf(count: int, exponent: float) -> npt.NDArray[np.float64]:
    weights = 1.0 / np.arange(1, count + 1) ** exponent
    return weights / weights.sum()


def timed(work: Callable[[Float32], Any], queries: Float32) -> tuple[list[Any], dict[str, float]]:
    """The results, one query at a time, and the times in milliseconds."""
    results, times, own = [], [], []
    for query in queries:
        start, start_own = time.perf_counter(), time.thread_time()
        results.append(work(query))
        own.append((time.thread_time() - start_own) * 1e3)
        times.append((time.perf_counter() - start) * 1e3)
    p50, p99 = np.percentile(times, [50, 99])
    costs = {"p50_ms": p50, "p99_ms": p99, "thread_p50_ms": np.median(own)}
    return results, {name: round(float(value), 3) for name, value in costs.items()}


def memory_mb() -> float:
    """What the process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def at_size(size: int, queries: int) -> dict[str, Any]:
    made = Descriptions(max(20, size // 250))
    vectors, questions = made.draw(size, 7, 4), made.draw(queries, 4, 1)
    keys = [number.to_bytes(16, "big") for number in range(size)]
    before, start = memory_mb(), time.perf_counter()
    index = VectorIndex.empty(vectors.shape[1]).with_rows(keys, vectors)
    build_s, held = time.perf_counter() - start, memory_mb() - before
    found, ours = timed(lambda query: index.search(query, TOP), questions)
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    # A few of the queries show what exact search takes; all of them at once give the truth.
    _, alone = timed(lambda query: exact.search(query[None, :], TOP), questions[:100])
    truth, _ = exact.search(questions, TOP)
    right = [
        sum(product >= worst - 1e-5 for _, product in matches)
        for matches, worst in zip(found, truth[:, -1], strict=True)
    ]
    accelerator = index.main.accelerator
    return {
        "vectors": size,
        "kind": "exact" if accelerator is None else "inverted lists, 8 bit, then exact products",
        "build_s": round(build_s, 2),
        "memory_mb": round(held),
        "vectors_mb": round(vectors.nbytes / 1e6, 1),
        "accelerator_mb": round(len(to_bytes(accelerator)) / 1e6, 1) if accelerator else 0.0,
        **ours,
        "recall_at_10": round(float(np.sum(right)) / (TOP * queries), 4),
        "exact": alone,
    }


def library_costs() -> dict[str, Any]:
    """What a search of the bundled voices costs, and measuring a second of audio."""
    voices = VoiceLibrary(Path("/nonexistent"), bundled=bundled("voices"))
    clip = next(voice.path for voice in voices if voice.path)
    pcm = read_audio(clip, max_seconds=60.0)
    text = ["a calm deep man with a Scottish accent"]
    works: dict[str, Callable[[], Any]] = {
        "open_ms": lambda: VoiceLibrary(Path("/nonexistent"), bundled=bundled("voices")),
        "search_ms": lambda: voices.search("a calm deep man"),
        "embed_text_ms": lambda: LexicalEmbedder().embed(text),
        "measure_ms_per_s": lambda: measure(pcm),
        "speech_check_ms_per_s": lambda: speech_problem(pcm),
        "voiceprint_ms_per_s": lambda: Voiceprint().embed([pcm]),
    }
    costs = {}
    for name, work in works.items():
        _, times = timed(lambda _, work=work: work(), np.zeros((30, 1), dtype=np.float32))
        costs[name] = round(times["p50_ms"] / (pcm.seconds if name.endswith("per_s") else 1), 3)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--queries", type=int, default=500)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "faiss": faiss.__version__,
        "exact_limit": EXACT_LIMIT,
        "sizes": [at_size(size, options.queries) for size in sizes],
        "library": library_costs(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
