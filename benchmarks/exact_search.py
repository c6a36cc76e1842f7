"""How fast is exact search, and how far from the memory's own speed?

Prints, for n x dim float32 rows: a plain streaming read of the rows (the floor for any float scan), the float
scan, the search through byte codes with a streaming read of as many bytes, batches, a filtered search. The
answers are compared first. Standalone part: no shard, one matrix in memory.

    python benchmarks/exact_search.py [--n 30000] [--dim 384] [--vectors file.npy] [--json out.json]

What it does not show: cold files, other distances, the cost of everything around the scan.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeshard import _native

COSINE = 0


def median_us(run: Callable[[], Any], repeats: int = 25) -> float:
    """Return the median of ``repeats`` runs after one to warm up, in microseconds."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1e6, 1)


def load_rows(path: Path | None, n: int, dim: int) -> np.ndarray:
    """Return normalised ``(n, dim)`` float32 rows: from a file, or clustered random ones."""
    rng = np.random.default_rng(0)
    if path is not None:
        rows = np.load(path)[:n].astype(np.float32)
    else:
        centres = rng.standard_normal((max(n // 100, 1), dim))
        rows = (centres[rng.integers(0, len(centres), n)] + rng.standard_normal((n, dim))).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def same(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def measure(rows: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    n, dim = rows.shape
    start = time.perf_counter()
    codes = _native.Codes8(dim)
    codes.extend(rows, threads=1)
    result: dict[str, Any] = {
        "n": n,
        "dim": dim,
        "isa": _native.cpu_isa(),
        "threads": _native.default_threads(),
    }
    result["build codes ms"] = round((time.perf_counter() - start) * 1e3, 1)
    mask = np.random.default_rng(1).random(n) < 0.1
    code_bytes = np.zeros(codes.size_bytes, np.uint8)
    one, chunks = queries[:1], [rows]

    def floats(q: np.ndarray, threads: int, allowed: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        return _native.scan_topk(q, chunks, allowed, 10, COSINE, threads)

    def coded(q: np.ndarray, threads: int, allowed: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        return codes.search(q, chunks, allowed, None, 10, COSINE, threads)

    if not same(floats(queries, 0), coded(queries, 0)) or not same(floats(one, 0, mask), coded(one, 0, mask)):
        raise SystemExit("the answers differ")
    for threads, name in ((1, "1 thread"), (0, "all threads")):
        result[f"read rows, {name}"] = median_us(lambda t=threads: _native.streaming_read(rows, t))
        result[f"floats, {name}"] = median_us(lambda t=threads: floats(one, t))
        result[f"read codes, {name}"] = median_us(lambda t=threads: _native.streaming_read(code_bytes, t))
        result[f"codes, {name}"] = median_us(lambda t=threads: coded(one, t))
    batch = len(queries)
    result[f"floats, batch of {batch}, per query"] = round(median_us(lambda: floats(queries, 0), 3) / batch, 1)
    result[f"codes, batch of {batch}, per query"] = round(median_us(lambda: coded(queries, 0), 3) / batch, 1)
    result["floats, 10 % mask"] = median_us(lambda: floats(one, 1, mask))
    result["codes, 10 % mask"] = median_us(lambda: coded(one, 1, mask))
    return result


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=30_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--vectors", type=Path, help="a .npy file of rows instead of random ones")
    parser.add_argument("--queries", type=Path, help="a .npy file of queries instead of noisy rows")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    rows = load_rows(options.vectors, options.n, options.dim)
    if options.queries:
        queries = load_rows(options.queries, 64, options.dim)
    else:
        rng = np.random.default_rng(2)
        noise = 0.03 * rng.standard_normal((min(64, len(rows)), rows.shape[1]))
        queries = (rows[rng.permutation(len(rows))[:64]] + noise).astype(np.float32)
    result = measure(rows, queries)
    for name, value in result.items():
        print(f"{name:>36}  {value}" + (" us" if isinstance(value, float) and " ms" not in name else ""))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return result


if __name__ == "__main__":
    main()
