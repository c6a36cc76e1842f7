"""How do the costs of a graph grow with the number of points?

Clusters of 64 dimensions that vary along 16 directions each, as embeddings do; m = 16, ef_construct = 100, one thread.
For every size: CPU seconds of the build, the beam at which recall@10 is 0.97, interpolated, and microseconds per query
at that, four times. ``query_us`` is the time of 500 different queries one after the other: beyond the size of the
caches it holds the time of fetching what each touches from memory. ``warm_us`` is that of a few queries asked again and
again, so that what they touch is in the caches: what the walk itself costs. Queries should grow no faster than log n:
``warm_us_per_log2_n`` is ``warm_us`` over log2 n. ``memory_mb`` is what walks read: codes and links. ``shard_us`` and
``shard_warm_us`` are whole queries through a shard with such a graph, as ``EdgeShard.query`` answers them, on the wall:
different ones, and the same again and again. Writes ``results/growth.csv`` and, with matplotlib
(``pip install edgeshard[plot]``), ``docs/design/growth.svg``.

    python benchmarks/growth.py [--max 300000] [--dim 64]

What it does not show: data that vary in all directions, for which the beam, and with it the time, must grow faster.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import edgeshard
from edgeshard import _native
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import make_codes
from graph import at_recall, recall
from harness import RESULTS, ROOT, embedded, scratch

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
EFS = (10, 12, 14, 17, 20, 24, 32, 40)
K, COSINE, WANTED, ROUNDS, BATCH = 10, 0, 0.97, 5, 10_000
FEW, GROUPS, AGAIN = 4, 25, 12
"""So many queries are asked again and again, for so many groups of them, so many times."""


class Line(NamedTuple):
    """One size."""

    points: int
    memory_mb: float
    build_cpu_s: float
    build_us_per_point: float
    ef: float
    query_us: float
    warm_us: float
    warm_us_per_log2_n: float
    shard_us: float
    shard_warm_us: float


def measure(rows: np.ndarray, queries: np.ndarray) -> Line:
    """One line of the table."""
    started = time.process_time()
    codes = make_codes([rows], 1)
    graph = HnswGraph.build([rows], COSINE, threads=1, codes=codes)
    build = time.process_time() - started
    graph = graph.attach([rows], COSINE, codes, fast=True)  # as shards walk after the first searches
    truth = _native.scan_topk(queries, [rows], None, K, COSINE)[0]
    cold, warm, beams = [], [], []
    for ef in EFS:
        reached = recall(graph.search(queries, K, ef)[0], truth)
        cold.append((reached, least_us(graph, queries, ef, ROUNDS)))
        groups = [queries[FEW * group : FEW * (group + 1)] for group in range(GROUPS)]
        warm.append((reached, float(np.mean([least_us(graph, group, ef, AGAIN) for group in groups]))))
        beams.append((reached, float(ef)))
    n = len(rows)
    memory = (codes.size_bytes + graph.list_bytes) / 1e6
    warm_us = at_recall(warm, WANTED)
    return Line(
        n,
        memory,
        build,
        build / n * 1e6,
        at_recall(beams, WANTED),
        at_recall(cold, WANTED),
        warm_us,
        warm_us / math.log2(n),
        *through_shard(rows, queries, truth),
    )


def through_shard(rows: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Median microseconds of different queries of a shard, and of each of some queries asked again and again."""
    config = edgeshard.EdgeConfig(
        vectors=edgeshard.EdgeVectorParams(rows.shape[1], edgeshard.Distance.Cosine),
        hnsw_config=edgeshard.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=1),
        optimizers=edgeshard.EdgeOptimizersConfig(indexing_threshold=1),
    )
    cold, warm = [], []
    with scratch() as folder, edgeshard.EdgeShard.create(Path(folder) / "shard", config) as shard:
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            ids = np.arange(start, start + len(part), dtype=np.uint64)
            shard.update(edgeshard.UpdateOperation.upsert_batch(ids, part))
        shard.optimize()
        for ef in EFS:
            params = edgeshard.SearchParams(hnsw_ef=ef)
            asked = [edgeshard.QueryRequest(limit=K, query=edgeshard.Query.Nearest(q), params=params) for q in queries]
            reached = recall(np.array([[point.id for point in shard.query(one)] for one in asked]), truth)
            cold.append((reached, float(np.median([call_us(shard, one) for _ in range(ROUNDS) for one in asked]))))
            again = [min(call_us(shard, one) for _ in range(AGAIN)) for one in asked[: FEW * GROUPS]]
            warm.append((reached, float(np.median(again))))
    return at_recall(cold, WANTED), at_recall(warm, WANTED)


def call_us(shard: edgeshard.EdgeShard, request: edgeshard.QueryRequest) -> float:
    """Microseconds of one query."""
    started = time.perf_counter()
    shard.query(request)
    return (time.perf_counter() - started) * 1e6


def least_us(graph: HnswGraph, queries: np.ndarray, ef: int, rounds: int) -> float:
    """Microseconds of CPU time per query, the least of some rounds."""
    times = []
    for _ in range(rounds):
        started = time.process_time_ns()
        graph.search(queries, K, ef)
        times.append(time.process_time_ns() - started)
    return min(times) / len(queries) / 1e3


def last_cache_mb() -> float | None:
    """Size of the largest cache of this machine, where the system tells."""
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max((int(size[:-1]) * 1024 / 1e6 for size in sizes if size.endswith("K")), default=None)


def plot(lines: list[Line]) -> None:
    """Both costs over the number of points, with what log n growth would be."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "growth"  # the same file for the same figures
    import matplotlib.pyplot as plt

    points = np.array([line.points for line in lines], float)
    build = np.array([line.build_cpu_s for line in lines])
    warm = np.array([line.warm_us for line in lines])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    left.plot(points, build, "o-", label="build, CPU s")
    left.plot(points, build[0] * points * np.log(points) / (points[0] * np.log(points[0])), ":", label="n log n")
    right.plot(points, [line.query_us for line in lines], "o-", label=f"query at recall {WANTED}, us")
    right.plot(points, warm, "s-", label="the same, what it touches in the caches")
    whole = [line.shard_warm_us for line in lines]
    right.plot(points, whole, "^-", label="whole queries through a shard, in the caches")
    right.plot(points, warm[0] * np.log(points) / np.log(points[0]), ":", label="log n")
    cache = last_cache_mb()
    memory = [line.memory_mb for line in lines]
    if cache is not None and memory[0] < cache < memory[-1]:
        right.axvline(
            float(np.interp(cache, memory, points)), color="grey", lw=0.8, label=f"{cache:.0f} MB of cache full"
        )
    for axes in (left, right):
        axes.set(xscale="log", xlabel="points", ylim=(0, None))
        axes.legend(fontsize=7)
    left.set(yscale="log", ylim=(build[0] / 2, None))
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "design" / "growth.svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--max", type=int, default=300_000)
    parser.add_argument("--dim", type=int, default=64)
    options = parser.parse_args()
    sizes = [size for size in SIZES if size <= options.max]
    rows, queries = embedded(sizes[-1], options.dim)
    print(*(f"{column:>18}" for column in Line._fields))
    lines = []
    for size in sizes:
        lines.append(measure(rows[:size], queries))
        print(*(f"{value:>18,.2f}" for value in lines[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / "growth.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Line._fields)
        writer.writerows([round(value, 3) for value in line] for line in lines)
    try:
        plot(lines)
    except ImportError:
        print("matplotlib is not installed: no plot")


if __name__ == "__main__":
    main()
