"""Graphs of qdrant-edge-py over points of which many have no vector: no walk starts from one, none finds one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import qdrant_edge

from edgeshard import _native
from edgeshard.index.hnsw import HnswGraph
from edgeshard.index.hnsw.graph import make_codes

COUNT, DIM, K, EUCLID = 6000, 16, 10, 1


def graph_directory(path: Path, rows: np.ndarray, has: np.ndarray) -> Path:
    """Where qdrant-edge-py keeps the graph of the points that have a vector."""
    mod = qdrant_edge
    vectors = {
        "all": mod.EdgeVectorParams(size=2, distance=mod.Distance.Dot),
        "some": mod.EdgeVectorParams(size=DIM, distance=mod.Distance.Euclid),
    }
    config = mod.EdgeConfig(
        vectors=vectors,
        hnsw_config=mod.HnswIndexConfig(m=8, ef_construct=60, full_scan_threshold=1),
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = mod.EdgeShard.create(str(path), config)
    points = [
        mod.Point(number, {"all": [1.0, 2.0], **({"some": row} if there else {})})
        for number, (row, there) in enumerate(zip(rows.tolist(), has, strict=True))
    ]
    shard.update(mod.UpdateOperation.upsert_points(points))
    assert shard.optimize()
    shard.close()
    (links,) = (path / "segments").glob("*/vector_index-some/links_compressed.bin")
    return links.parent


def test_walks_over_such_a_graph(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(COUNT, DIM)).astype(np.float32)
    has = rng.random(COUNT) < 0.4
    rows[~has] = 0  # as the storage has them: nearer to the queries below than any vector
    graph = HnswGraph.load(graph_directory(tmp_path, rows, has), [rows], EUCLID)
    queries = rng.normal(size=(60, DIM)).astype(np.float32) * 0.05
    truth = _native.scan_topk(queries, [rows], has, K, EUCLID)[0]
    for fast in (False, True):
        found, _, counts = graph.attach([rows], EUCLID, make_codes([rows]), fast=fast).search(queries, K, 64)
        assert (counts == K).all()
        assert has[found].all()
        assert np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, truth, strict=True)]) > 0.95
