"""Shared by the benchmarks: data, paired timings, and a table of ratios.

Machines are noisy, so both engines are timed in turn within one run and ratios of medians are printed. Results go to
``benchmarks/results/<name>.json``.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"


def data_directory() -> Path:
    """Where ``pypi30k`` is: ``$EDGESHARD_DATA`` or ``../shared/data`` beside the repository."""
    return Path(os.environ.get("EDGESHARD_DATA", ROOT.parent / "shared" / "data"))


def load_pypi(limit: int | None = None) -> tuple[np.ndarray, list[dict[str, Any]], np.ndarray]:
    """Vectors (n, 384) float32, payloads, query vectors (500, 384) float32; the demo's data where pypi30k is absent."""
    source = data_directory() / "pypi30k"
    if not source.is_dir():
        print("pypi30k is absent: measuring on the 4,000 points of the demo")
        source = ROOT / "examples" / "data"
    vectors = np.load(source / "vectors.npy")[:limit].astype(np.float32)
    with gzip.open(source / "payloads.jsonl.gz", "rt", encoding="utf-8") as lines:
        payloads = [json.loads(line) for line, _ in zip(lines, range(len(vectors)), strict=False)]
    return vectors, payloads, np.load(source / "queries.npy").astype(np.float32)


def embedded(count: int, dim: int, seed: int = 7, queries: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """``count`` rows in 50 overlapping clusters, each spread along directions of its own, and queries of that kind."""
    directions, clusters = 16, 50
    rng = np.random.default_rng(seed)
    total = count + queries
    member = rng.integers(0, clusters, total)
    rows = np.empty((total, dim), np.float32)
    for cluster in range(clusters):
        chosen = np.flatnonzero(member == cluster)
        basis = rng.normal(size=(directions, dim)) / np.sqrt(directions)
        rows[chosen] = 0.5 * rng.normal(size=dim) + rng.normal(size=(len(chosen), directions)) @ basis
    rows += 0.1 * rng.normal(size=rows.shape).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[:count], rows[count:]


def median_ms(work: Callable[[], Any], repeat: int = 20, warmup: int = 2) -> float:
    """Median wall time of a call in milliseconds."""
    for _ in range(warmup):
        work()
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def paired_ms(ours: Callable[[], Any], theirs: Callable[[], Any], repeat: int = 20) -> tuple[float, float]:
    """Medians of two calls timed in turn."""
    ours(), theirs()
    first, second = [], []
    for _ in range(repeat):
        for work, times in ((ours, first), (theirs, second)):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
    return statistics.median(first) * 1e3, statistics.median(second) * 1e3


def gain_of_threads(work: Callable[[int], Any], threads: int = 2, pairs: int = 7, seconds: float = 0.7) -> float:
    """How many times the calls of one thread several threads make: the median of windows taken in turn.

    Args:
        work: the call; its argument counts up in each thread.
        threads: how many.
        pairs: windows of one thread and of several.
        seconds: length of a window.
    """

    def rate(count: int) -> float:
        stop, made = threading.Event(), [0] * count

        def run(number: int) -> None:
            calls = 0
            while not stop.is_set():
                work(calls)
                calls += 1
            made[number] = calls

        workers = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        time.sleep(seconds)
        stop.set()
        for worker in workers:
            worker.join()
        return sum(made) / (time.perf_counter() - started)

    rate(1)
    return statistics.median([rate(threads) / rate(1) for _ in range(pairs)])


class Table:
    """Rows of ``what, edgeshard, qdrant-edge-py, ratio``, printed as they come and saved as JSON.

    Args:
        name: of the results file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[dict[str, Any]] = []
        print(f"{'what':<44} {'edgeshard':>13} {'qdrant-edge':>13} {'ratio':>8}  target")

    def row(
        self, what: str, ours: float, theirs: float, unit: str, target: str = "", *, more_is_better: bool = False
    ) -> None:
        """Add a row; the ratio says how many times better edgeshard is."""
        ratio = (ours / theirs if more_is_better else theirs / ours) if ours and theirs else float("nan")
        print(f"{what:<44} {ours:>9.3f} {unit:<3} {theirs:>9.3f} {unit:<3} {ratio:>7.2f}x  {target}", flush=True)
        self.rows.append({"what": what, "ours": ours, "theirs": theirs, "unit": unit, "ratio": ratio, "target": target})

    def save(self) -> None:
        """Write the rows to ``results/<name>.json``."""
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{self.name}.json").write_text(json.dumps(self.rows, indent=1) + "\n")


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A directory for shards, removed at the end."""
    return tempfile.TemporaryDirectory(prefix="edgeshard-bench-")
