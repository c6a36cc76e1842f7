"""How fast are graphs built and walked, beside the libraries that do only that?

Builds over pypi30k (m = 16, ef_construct = 100, one thread), searches all queries in one call per engine, and
prints recall@10 and microseconds per query, interpolated to recall 0.95 and 0.99, and recall at equal beams. With
``--clustered`` over 100,000 points of 128 dimensions in overlapping clusters instead. Engines take turns. Those not
installed are left out: ``pip install hnswlib usearch faiss-cpu``.

    python benchmarks/graph.py [--n 30000] [--clustered] [--threads]

What it does not show: filters (docs/design/hnsw.md), the cost of a whole query, vectors not in memory.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeshard import _native
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import make_codes
from harness import RESULTS, embedded, load_pypi

M, EF_CONSTRUCT, K, COSINE = 16, 100, 10, 0
EFS = (10, 14, 18, 24, 32, 48, 64, 96, 128, 192, 256)
EQUAL_EF = 48
ROUNDS = 5
Engine = tuple[Callable[[], None], Callable[[np.ndarray, int], np.ndarray]]


def edgeshard_engine(rows: np.ndarray, on_codes: bool, threads: int = 1) -> Engine:
    made: list[HnswGraph] = []

    def build() -> None:
        codes = make_codes([rows], threads) if on_codes else None
        made[:] = [HnswGraph.build([rows], COSINE, m=M, ef_construct=EF_CONSTRUCT, threads=threads, codes=codes)]

    return build, lambda queries, ef: made[0].search(queries, K, ef)[0]


def hnswlib_engine(rows: np.ndarray) -> Engine:
    import hnswlib

    index = hnswlib.Index("ip", rows.shape[1])

    def build() -> None:
        index.init_index(len(rows), M=M, ef_construction=EF_CONSTRUCT)
        index.add_items(rows, num_threads=1)

    def search(queries: np.ndarray, ef: int) -> np.ndarray:
        index.set_ef(ef)
        return index.knn_query(queries, K, num_threads=1)[0]

    return build, search


def faiss_engine(rows: np.ndarray) -> Engine:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(rows.shape[1], M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EF_CONSTRUCT

    def search(queries: np.ndarray, ef: int) -> np.ndarray:
        index.hnsw.efSearch = ef
        return index.search(queries, K)[1]

    return lambda: index.add(rows), search


def usearch_engine(rows: np.ndarray) -> Engine:
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="ip", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCT)

    def search(queries: np.ndarray, ef: int) -> np.ndarray:
        index.expansion_search = ef
        return index.search(queries, K, threads=1).keys

    return lambda: index.add(np.arange(len(rows)), rows, threads=1), search


def engines(rows: np.ndarray) -> dict[str, Engine]:
    found = {
        "edgeshard, codes": edgeshard_engine(rows, True),
        "edgeshard, floats": edgeshard_engine(rows, False),
    }
    for name, make in (("hnswlib", hnswlib_engine), ("faiss", faiss_engine), ("usearch", usearch_engine)):
        try:
            found[name] = make(rows)
        except ImportError:
            print(f"{name} is not installed")
    return found


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)) / truth.size


def at_recall(curve: list[tuple[float, float]], wanted: float) -> float:
    """Microseconds at a recall, interpolated between measured points; NaN outside."""
    recalls, times = np.array(sorted(curve)).T
    if not recalls[0] <= wanted <= recalls[-1]:
        return float("nan")
    return float(np.exp(np.interp(wanted, recalls, np.log(times))))


def measure(rows: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    truth = _native.scan_topk(queries, [rows], None, K, COSINE)[0]
    found = engines(rows)
    results: dict[str, Any] = {}
    for name, (build, _) in found.items():
        cpu, wall = time.process_time(), time.perf_counter()
        build()
        results[name] = {"build_cpu_s": time.process_time() - cpu, "build_wall_s": time.perf_counter() - wall}
    best = {(name, ef): float("inf") for name in found for ef in EFS}
    answers = {}
    for _ in range(ROUNDS):
        for name, (_, search) in found.items():
            for ef in EFS:
                start = time.perf_counter()
                answers[name, ef] = search(queries, ef)
                best[name, ef] = min(best[name, ef], (time.perf_counter() - start) / len(queries) * 1e6)
    for name, result in results.items():
        curve = [(recall(answers[name, ef], truth), best[name, ef]) for ef in EFS]
        result |= {"curve": curve, "us_at_0.95": at_recall(curve, 0.95), "us_at_0.99": at_recall(curve, 0.99)}
        equal = dict(zip(EFS, curve, strict=True))[EQUAL_EF][0]
        print(
            f"{name:<20} build {result['build_cpu_s']:6.2f} CPU s   {result['us_at_0.95']:7.1f} us at recall"
            f" 0.95   {result['us_at_0.99']:7.1f} us at 0.99   recall at ef {EQUAL_EF} {equal:.4f}",
            flush=True,
        )
    return results


def scaling(rows: np.ndarray) -> list[float]:
    """Wall seconds of a build with one thread and with two."""
    times = []
    for threads in (1, 2):
        build, _ = edgeshard_engine(rows, True, threads)
        start = time.perf_counter()
        build()
        times.append(time.perf_counter() - start)
    print(f"build with 1 and 2 threads: {times[0]:.2f} and {times[1]:.2f} s, {times[1] / times[0]:.2f} of one")
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=None)
    parser.add_argument("--clustered", action="store_true", help="clusters instead of pypi30k")
    parser.add_argument("--threads", action="store_true", help="compare builds with one and two threads only")
    options = parser.parse_args()
    if options.clustered:
        rows, queries = embedded(options.n or 100_000, 128)
    else:
        rows, _, queries = load_pypi(options.n)
        rows, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, queries))
    if options.threads:
        scaling(rows)
        return
    RESULTS.mkdir(exist_ok=True)
    name = "graph_clustered.json" if options.clustered else "graph.json"
    (RESULTS / name).write_text(json.dumps(measure(rows, queries), indent=1) + "\n")


if __name__ == "__main__":
    main()
