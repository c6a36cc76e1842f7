"""Searches through compressed vectors beside qdrant-edge-py: time and recall of the ten best.

Both engines hold the same points in one optimised segment per method. What it does not show: memory, which is the
reason to compress, and vectors that do not fit it.

    quantized.py [number of points] [method ...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge

import edgeshard
from harness import Table, load_pypi, paired_ms, scratch

METHODS = {
    "scalar": lambda m: m.ScalarQuantizationConfig(m.ScalarType.Int8, quantile=0.99),
    "product x16": lambda m: m.ProductQuantizationConfig(m.CompressionRatio.X16),
    "binary": lambda m: m.BinaryQuantizationConfig(),
    "turbo 2 bits": lambda m: m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits2),
    "turbo 4 bits": lambda m: m.TurboQuantQuantizationConfig(),
    "turbo 8 bits": lambda m: m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits8),
}
QUERIES = 50


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


def request(mod: Any, query: list[float], **quantization: Any) -> Any:
    params = mod.SearchParams(quantization=mod.QuantizationSearchParams(**quantization))
    return mod.QueryRequest(query=mod.Query.Nearest(query), limit=10, params=params)


def asking(shard: Any, requests: list[Any]) -> Callable[[], Any]:
    """A call that carries out all requests."""
    return lambda: [shard.query(one) for one in requests]


def recall(shard: Any, requests: list[Any], truth: list[set[int]]) -> float:
    """Share of the true ten best that is found."""
    found = (len({point.id for point in shard.query(one)} & best) for one, best in zip(requests, truth, strict=True))
    return sum(found) / (10 * len(truth))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    vectors, _, queries = load_pypi(count)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = queries[:QUERIES]
    truth = [set(np.argsort(-(vectors @ query))[:10].tolist()) for query in queries]
    table = Table("quantized")
    for name in sys.argv[2:] or METHODS:
        with scratch() as folder:
            ours, our_seconds = build(edgeshard, Path(folder) / "ours", vectors, METHODS[name](edgeshard))
            theirs, their_seconds = build(qdrant_edge, Path(folder) / "theirs", vectors, METHODS[name](qdrant_edge))
            table.row(f"{name}: optimize", our_seconds, their_seconds, "s")
            for how, options in (("defaults", {}), ("3 x, re-scored", {"rescore": True, "oversampling": 3.0})):
                mine = [request(edgeshard, query.tolist(), **options) for query in queries]
                other = [request(qdrant_edge, query.tolist(), **options) for query in queries]
                times = paired_ms(asking(ours, mine), asking(theirs, other), repeat=5)
                table.row(f"{name}, {how}: per query", times[0] / QUERIES * 1e3, times[1] / QUERIES * 1e3, "us")
                found = recall(ours, mine, truth), recall(theirs, other, truth)
                table.row(f"{name}, {how}: recall", *found, "", more_is_better=True)
            ours.close()
            theirs.close()
    table.save()


if __name__ == "__main__":
    main()
