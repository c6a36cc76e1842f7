"""Searches through compressed vectors beside qdrant-edge-py: time of a query at equal recall of the ten best.

Both engines hold the same points in one optimised segment per method. Their beams are widened in turn and the times
interpolated to the recall that the other engine's default beam has, so that rows compare equal answers. What it does
not show: memory, which is the reason to compress, and vectors that do not fit it.

    quantized.py [number of points] [method ...]
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge

import edgeshard
from graph import at_recall, recall
from harness import Table, load_pypi, scratch
from search import each_us

METHODS = {
    "scalar": lambda m: m.ScalarQuantizationConfig(m.ScalarType.Int8, quantile=0.99),
    "product x16": lambda m: m.ProductQuantizationConfig(m.CompressionRatio.X16),
    "binary": lambda m: m.BinaryQuantizationConfig(),
    "turbo 2 bits": lambda m: m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits2),
    "turbo 4 bits": lambda m: m.TurboQuantQuantizationConfig(),
    "turbo 8 bits": lambda m: m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits8),
}
WAYS: dict[str, dict[str, Any]] = {"defaults": {}, "3 x, re-scored": {"rescore": True, "oversampling": 3.0}}
PROMISED = {
    ("scalar", "defaults"),
    ("scalar", "3 x, re-scored"),
    ("binary", "3 x, re-scored"),
    ("turbo 4 bits", "defaults"),
    ("turbo 4 bits", "3 x, re-scored"),
}
EFS, DEFAULT_EF = (16, 24, 32, 48, 64, 100, 128, 192), 100
QUERIES, K, ROUNDS = 200, 10, 3
Curve = list[tuple[float, float]]


def build(mod: Any, path: Path, vectors: np.ndarray, quantization: Any) -> tuple[Any, float]:
    """An optimised shard and the seconds optimising took."""
    params = mod.EdgeVectorParams(vectors.shape[1], mod.Distance.Cosine, quantization_config=quantization)
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=1)
    shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors={"": params}, optimizers=optimizers))
    for start in range(0, len(vectors), 1000):
        block = vectors[start : start + 1000]
        points = [mod.Point(start + i, row, {}) for i, row in enumerate(block.tolist())]
        shard.update(mod.UpdateOperation.upsert_points(points))
    started = time.perf_counter()
    shard.optimize()
    return shard, time.perf_counter() - started


def requests(mod: Any, queries: np.ndarray, ef: int, options: dict[str, Any]) -> list[Any]:
    params = mod.SearchParams(hnsw_ef=ef, quantization=mod.QuantizationSearchParams(**options))
    return [mod.QueryRequest(query=mod.Query.Nearest(query), limit=K, params=params) for query in queries.tolist()]


def found(shard: Any, asked: list[Any]) -> np.ndarray:
    """Ids ``(q, K)``, -1 where there are fewer."""
    answers = ([point.id for point in shard.query(one)] for one in asked)
    return np.array([ids + [-1] * (K - len(ids)) for ids in answers], np.int64)


def curves(shards: dict[Any, Any], queries: np.ndarray, truth: np.ndarray, options: dict[str, Any]) -> dict[Any, Curve]:
    """``(recall, microseconds)`` at every beam, the engines timed in turn."""
    asked = {(mod, ef): requests(mod, queries, ef, options) for mod in shards for ef in EFS}
    recalls = {key: recall(found(shards[key[0]], one), truth) for key, one in asked.items()}
    times: dict[Any, list[float]] = {key: [] for key in asked}
    for _ in range(ROUNDS):
        for (mod, ef), one in asked.items():
            times[mod, ef].append(each_us([lambda shard=shards[mod], ask=ask: shard.query(ask) for ask in one]))
    return {mod: [(recalls[mod, ef], statistics.median(times[mod, ef])) for ef in EFS] for mod in shards}


def compare(table: Table, name: str, how: str, found: dict[Any, Curve]) -> None:
    """Rows at the recall of the oracle's default beam, and at 0.90, 0.95 and 0.97 where both reach it.

    Where answers are those of the codes, recall ends at what they tell; the default beam's may lie so near to that end
    that a few neighbours, which differ from one training of the codes to the next, decide how wide a beam it takes.
    """
    ours, theirs = found[edgeshard], found[qdrant_edge]
    default = theirs[EFS.index(DEFAULT_EF)][0]
    target = ">= 2x" if (name, how) in PROMISED else ""
    for wanted in (default, 0.9, 0.95, 0.97):
        times = [at_recall(curve, wanted) for curve in (ours, theirs)]
        if wanted == default and np.isnan(times[0]) and min(ours)[0] > default:
            times[0] = min(ours)[1]  # already the narrowest beam finds more
        if not np.isnan(times).any():
            table.row(f"{name}, {how}: at recall {wanted:.3f}", *times, "us", target)
    best = max(ours)[0], max(theirs)[0]
    table.row(f"{name}, {how}: recall at beam {EFS[-1]}", *best, "", more_is_better=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    vectors, _, queries = load_pypi(count)
    vectors, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors, queries[:QUERIES]))
    truth = np.argsort(-(queries @ vectors.T), axis=1)[:, :K]
    table = Table("quantized")
    for name in sys.argv[2:] or METHODS:
        with scratch() as folder:
            ours, our_seconds = build(edgeshard, Path(folder) / "ours", vectors, METHODS[name](edgeshard))
            theirs, their_seconds = build(qdrant_edge, Path(folder) / "theirs", vectors, METHODS[name](qdrant_edge))
            table.row(f"{name}: optimize", our_seconds, their_seconds, "s")
            for how, options in WAYS.items():
                compare(table, name, how, curves({edgeshard: ours, qdrant_edge: theirs}, queries, truth, options))
            ours.close()
            theirs.close()
    table.save()


if __name__ == "__main__":
    main()
