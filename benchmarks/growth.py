"""How do the costs of a graph grow with the number of points?

Clusters of 64 dimensions that vary along 16 directions each, as embeddings do; m = 16, ef_construct = 100, one thread.
For every size: CPU seconds of the build, the beam at which recall@10 is 0.95, interpolated, and microseconds per query
at that. Queries should grow no faster than log n: the last column is their time over log2 n. Writes
``results/growth.csv`` and, with matplotlib (``pip install edgeshard[bench]``), ``docs/design/growth.svg``.

    python benchmarks/growth.py [--max 300000] [--dim 64]

What it does not show: data that vary in all directions, for which the beam, and with it the time, must grow faster;
whole queries through a shard.
"""

from __future__ import annotations

import argparse
import csv
import math
import time

import numpy as np

from edgeshard import _native
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import make_codes
from graph import at_recall, recall
from harness import RESULTS, ROOT, embedded

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
EFS = (10, 12, 14, 17, 20, 24, 32, 48, 64, 96)
K, COSINE, WANTED, ROUNDS = 10, 0, 0.95, 3
COLUMNS = ("points", "build_cpu_s", "build_us_per_point", "ef", "query_us", "query_us_per_log2_n")


def measure(rows: np.ndarray, queries: np.ndarray) -> tuple[float, ...]:
    """One line of the table."""
    started = time.process_time()
    graph = HnswGraph.build([rows], COSINE, threads=1, codes=make_codes([rows], 1))
    build = time.process_time() - started
    truth = _native.scan_topk(queries, [rows], None, K, COSINE)[0]
    curve, beams = [], []
    for ef in EFS:
        times = []
        for _ in range(ROUNDS):
            started = time.process_time()
            found = graph.search(queries, K, ef)[0]
            times.append(time.process_time() - started)
        reached = recall(found, truth)
        curve.append((reached, min(times) / len(queries) * 1e6))
        beams.append((reached, float(ef)))
    query = at_recall(curve, WANTED)
    n = len(rows)
    return n, build, build / n * 1e6, at_recall(beams, WANTED), query, query / math.log2(n)


def plot(lines: list[tuple[float, ...]]) -> None:
    """Both costs over the number of points, with what log n growth would be."""
    import matplotlib.pyplot as plt

    points, build, _, _, query, _ = np.array(lines).T
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    left.plot(points, build, "o-", label="build, CPU s")
    left.plot(points, build[0] * points * np.log(points) / (points[0] * np.log(points[0])), ":", label="n log n")
    right.plot(points, query, "o-", label=f"query at recall {WANTED}, us")
    right.plot(points, query[0] * np.log(points) / np.log(points[0]), ":", label="log n")
    for axes in (left, right):
        axes.set(xscale="log", xlabel="points", ylim=(0, None))
        axes.legend()
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
    print(*(f"{column:>20}" for column in COLUMNS))
    lines = []
    for size in sizes:
        lines.append(measure(rows[:size], queries))
        print(*(f"{value:>20,.2f}" for value in lines[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / "growth.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([round(value, 3) for value in line] for line in lines)
    try:
        plot(lines)
    except ImportError:
        print("matplotlib is not installed: no plot")


if __name__ == "__main__":
    main()
