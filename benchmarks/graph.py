"""How fast are graphs built and walked, beside the libraries that do only that?

Builds over pypi30k (m = 16, ef_construct = 100, one thread), searches all queries in one call per engine, and
prints recall@10 and microseconds per query, interpolated to recall 0.95 and 0.99, and recall at equal beams. Ours are
measured through the arrays of an optimised shard, and the graph alone on byte codes and on floats. With
``--clustered`` over 100,000 points of 128 dimensions in overlapping clusters instead. Engines take turns. Those not
installed are left out: ``pip install hnswlib usearch faiss-cpu``.

    python benchmarks/graph.py [--n 30000] [--clustered] [--threads] [--kept FOLDER [--build NAME ...]]

Building all of them over clusters takes minutes. With ``--kept`` indexes are kept in a folder, and those that are there
are not built again; ``--build`` builds the named ones and ends. So builds can be spread over several short runs, and
all engines are still searched in turn in a last one:

    for name in edgeshard hnswlib faiss usearch; do python benchmarks/graph.py --clustered --kept k --build $name; done
    python benchmarks/graph.py --clustered --kept k

What it does not show: filters (docs/design/hnsw.md), vectors not in memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import edgeshard
from edgeshard import _native
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import make_codes
from harness import RESULTS, embedded, load_pypi, scratch

M, EF_CONSTRUCT, K, COSINE = 16, 100, 10, 0
EFS = (10, 14, 18, 24, 32, 48, 64, 96, 128, 192, 256)
EQUAL_EF = 48
ROUNDS = 5
TIMES = "times.json"


class Engine(NamedTuple):
    """One way to build and search a graph."""

    build: Callable[[], None]
    search: Callable[[np.ndarray, int], np.ndarray]
    save: Callable[[Path], None]
    load: Callable[[Path], None]


def edgeshard_engine(rows: np.ndarray, on_codes: bool, threads: int = 1) -> Engine:
    made: list[HnswGraph] = []

    def build() -> None:
        codes = make_codes([rows], threads) if on_codes else None
        made[:] = [HnswGraph.build([rows], COSINE, m=M, ef_construct=EF_CONSTRUCT, threads=threads, codes=codes)]

    def load(path: Path) -> None:
        codes = make_codes([rows], threads) if on_codes else None
        made[:] = [HnswGraph.load(path, [rows], COSINE, codes=codes, in_memory=True)]

    return Engine(build, lambda queries, ef: made[0].search(queries, K, ef)[0], lambda path: made[0].save(path), load)


def shard_engine(rows: np.ndarray) -> Engine:
    """Whole queries through an optimised shard; building it includes writing and flushing the points."""
    folder = scratch()
    opened: list[edgeshard.EdgeShard] = []

    def build() -> None:
        params = edgeshard.EdgeVectorParams(rows.shape[1], edgeshard.Distance.Cosine)
        settings = edgeshard.EdgeConfig(
            vectors=params,
            hnsw_config=edgeshard.HnswIndexConfig(M, EF_CONSTRUCT, 1000),
            optimizers=edgeshard.EdgeOptimizersConfig(indexing_threshold=1000),
        )
        shard = edgeshard.EdgeShard.create(f"{folder.name}/shard", settings)
        shard.update(edgeshard.UpdateOperation.upsert_batch(np.arange(len(rows), dtype=np.uint64), rows))
        shard.optimize(threads=1)
        opened[:] = [shard]

    def search(queries: np.ndarray, ef: int) -> np.ndarray:
        return opened[0].query_arrays(queries, limit=K, params=edgeshard.SearchParams(hnsw_ef=ef))[0]

    def save(path: Path) -> None:
        opened[0].close()
        shutil.move(f"{folder.name}/shard", path)
        load(path)

    def load(path: Path) -> None:
        opened[:] = [edgeshard.EdgeShard.load(path)]

    return Engine(build, search, save, load)


def hnswlib_engine(rows: np.ndarray) -> Engine:
    import hnswlib

    index = hnswlib.Index("ip", rows.shape[1])

    def build() -> None:
        index.init_index(len(rows), M=M, ef_construction=EF_CONSTRUCT)
        index.add_items(rows, num_threads=1)

    def search(queries: np.ndarray, ef: int) -> np.ndarray:
        index.set_ef(ef)
        return index.knn_query(queries, K, num_threads=1)[0]

    return Engine(build, search, lambda path: index.save_index(str(path)), lambda path: index.load_index(str(path)))


def faiss_engine(rows: np.ndarray) -> Engine:
    import faiss

    faiss.omp_set_num_threads(1)
    made = [faiss.IndexHNSWFlat(rows.shape[1], M, faiss.METRIC_INNER_PRODUCT)]
    made[0].hnsw.efConstruction = EF_CONSTRUCT

    def search(queries: np.ndarray, ef: int) -> np.ndarray:
        made[0].hnsw.efSearch = ef
        return made[0].search(queries, K)[1]

    def load(path: Path) -> None:
        made[:] = [faiss.read_index(str(path))]

    return Engine(lambda: made[0].add(rows), search, lambda path: faiss.write_index(made[0], str(path)), load)


def usearch_engine(rows: np.ndarray) -> Engine:
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="ip", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCT)

    def search(queries: np.ndarray, ef: int) -> np.ndarray:
        index.expansion_search = ef
        return index.search(queries, K, threads=1).keys

    return Engine(
        lambda: index.add(np.arange(len(rows)), rows, threads=1),
        search,
        lambda path: index.save(str(path)),
        lambda path: index.load(str(path)),
    )


def engines(rows: np.ndarray) -> dict[str, Engine]:
    found = {
        "edgeshard, shard": shard_engine(rows),
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


def build_all(found: dict[str, Engine], kept: Path | None) -> dict[str, dict[str, float]]:
    """CPU and wall seconds of every build; indexes that are kept are loaded instead, with the times they took."""
    times = json.loads((kept / TIMES).read_text()) if kept and (kept / TIMES).exists() else {}
    for name, engine in found.items():
        if kept and name in times:
            engine.load(kept / name)
            continue
        cpu, wall = time.process_time(), time.perf_counter()
        engine.build()
        times[name] = {"build_cpu_s": time.process_time() - cpu, "build_wall_s": time.perf_counter() - wall}
        if kept:
            kept.mkdir(exist_ok=True)
            engine.save(kept / name)
            (kept / TIMES).write_text(json.dumps(times))
    return {name: times[name] for name in found}


def measure(found: dict[str, Engine], rows: np.ndarray, queries: np.ndarray, kept: Path | None) -> dict[str, Any]:
    truth = _native.scan_topk(queries, [rows], None, K, COSINE)[0]
    results: dict[str, Any] = build_all(found, kept)
    best = {(name, ef): float("inf") for name in found for ef in EFS}
    answers = {}
    for _ in range(ROUNDS):
        for name, engine in found.items():
            for ef in EFS:
                start = time.perf_counter()
                answers[name, ef] = engine.search(queries, ef)
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
    """Wall seconds of a build with one thread and with two, the best of three in turn."""
    best = [float("inf"), float("inf")]
    for _ in range(3):
        for threads in (1, 2):
            engine = edgeshard_engine(rows, True, threads)
            start = time.perf_counter()
            engine.build()
            best[threads - 1] = min(best[threads - 1], time.perf_counter() - start)
    print(f"build with 1 and 2 threads: {best[0]:.2f} and {best[1]:.2f} s, {best[1] / best[0]:.2f} of one")
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=None)
    parser.add_argument("--clustered", action="store_true", help="clusters instead of pypi30k")
    parser.add_argument("--threads", action="store_true", help="compare builds with one and two threads only")
    parser.add_argument("--kept", type=Path, help="folder where indexes are kept for other runs over the same data")
    parser.add_argument("--build", nargs="+", default=[], help="build those engines whose names begin so, and end")
    options = parser.parse_args()
    if options.build and not options.kept:
        parser.error("--build needs --kept")
    if options.clustered:
        rows, queries = embedded(options.n or 100_000, 128)
    else:
        rows, _, queries = load_pypi(options.n)
        rows, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, queries))
    if options.threads:
        scaling(rows)
        return
    found = engines(rows)
    if options.build:
        chosen = {name: found[name] for name in found if name.startswith(tuple(options.build))}
        for name, times in build_all(chosen, options.kept).items():
            print(f"{name:<20} build {times['build_cpu_s']:6.2f} CPU s")
        return
    RESULTS.mkdir(exist_ok=True)
    name = "graph_clustered.json" if options.clustered else "graph.json"
    (RESULTS / name).write_text(json.dumps(measure(found, rows, queries, options.kept), indent=1) + "\n")


if __name__ == "__main__":
    main()
