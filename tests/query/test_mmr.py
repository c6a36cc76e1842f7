"""Maximal marginal relevance against the oracle where rounding decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard


def picks(mod: Any, path: Path, rows: np.ndarray, queries: np.ndarray, datatype: str) -> list[list[int]]:
    params = mod.EdgeVectorParams(
        size=rows.shape[1], distance=mod.Distance.Cosine, datatype=getattr(mod.VectorStorageDatatype, datatype)
    )
    path.mkdir()
    shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors=params))
    points = [mod.Point(number, row.tolist(), {}) for number, row in enumerate(rows)]
    shard.update(mod.UpdateOperation.upsert_points(points))
    requests = [mod.QueryRequest(limit=40, query=mod.Mmr(query.tolist(), 0.5, 300)) for query in queries]
    found = [[point.id for point in shard.query(request)] for request in requests]
    shard.close()
    return found


@pytest.mark.parametrize("datatype", ["Float32", "Float16", "Uint8"])
def test_picks_are_those_of_qdrant_edge(datatype: str, tmp_path: Path) -> None:
    """Vectors of half precision are compared with the length that rounding gave them."""
    random = np.random.default_rng(7)
    rows = random.normal(size=(300, 4)).astype(np.float32)
    if datatype == "Uint8":
        rows = np.clip(100 + 60 * rows, 0, 255).astype(np.uint8).astype(np.float32)
    queries = random.normal(size=(40, 4)).astype(np.float32)
    ours, theirs = (picks(mod, tmp_path / mod.__name__, rows, queries, datatype) for mod in (edgeshard, qdrant_edge))
    assert ours == theirs


@pytest.mark.parametrize("distance", ["Manhattan", "Dot", "Euclid"])
def test_picks_among_equals_are_those_of_qdrant_edge(distance: str, tmp_path: Path) -> None:
    """Small whole numbers make many equal scores; no two points are equally far from the query."""
    random = np.random.default_rng(11)
    for number in range(25):
        rows = np.unique(random.integers(0, 6, (60, 3)), axis=0).astype(np.float32)
        query = np.array([1, 7, 49] if distance == "Dot" else [0.125, 0.25, 0.5], np.float32)
        apart = np.abs(rows - query) ** (2 if distance == "Euclid" else 1)
        far = rows @ query if distance == "Dot" else apart.sum(axis=1)
        rows = rows[np.unique(far, return_index=True)[1]]
        found = []
        for mod in (edgeshard, qdrant_edge):
            path = tmp_path / f"{mod.__name__}-{number}"
            path.mkdir()
            params = mod.EdgeVectorParams(size=3, distance=getattr(mod.Distance, distance))
            shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors=params))
            points = [mod.Point(at, row.tolist(), {}) for at, row in enumerate(rows)]
            shard.update(mod.UpdateOperation.upsert_points(points))
            request = mod.QueryRequest(limit=30, query=mod.Mmr(query.tolist(), 0.5, 100))
            found.append([point.id for point in shard.query(request)])
            shard.close()
        assert found[0] == found[1]


@pytest.mark.parametrize("datatype", ["Float32", "Uint8", "Turbo8"])
@pytest.mark.parametrize("rows", [None, 3])
def test_candidates_of_several_segments(rows: int | None, datatype: str, tmp_path: Path) -> None:
    """The choice is that among the same points in one segment."""
    random = np.random.default_rng(5)
    vectors = random.integers(0, 200, (120, 32) if rows is None else (120, rows, 32)).astype(np.float32)
    multi = None if rows is None else edgeshard.MultiVectorConfig(edgeshard.MultiVectorComparator.MaxSim)
    kind = getattr(edgeshard.VectorStorageDatatype, datatype)
    params = edgeshard.EdgeVectorParams(32, edgeshard.Distance.Euclid, datatype=kind, multivector_config=multi)
    found, counts = [], []
    for several in (False, True):
        optimizers = edgeshard.EdgeOptimizersConfig(indexing_threshold=1)
        config = edgeshard.EdgeConfig(vectors=params, optimizers=optimizers)
        with edgeshard.EdgeShard.create(tmp_path / str(several), config) as shard:
            for part in np.array_split(np.arange(120), 2):
                points = [edgeshard.Point(int(n), vectors[n]) for n in part]
                shard.update(edgeshard.UpdateOperation.upsert_points(points))
                if several and not part[0]:
                    shard.optimize()
            query = edgeshard.Mmr(vectors[7] + 0.5, 0.4, 60)
            exact = edgeshard.SearchParams(exact=True)
            answer = shard.query(edgeshard.QueryRequest(limit=25, query=query, params=exact))
            found.append([(point.id, point.score) for point in answer])
            counts.append(shard.info().segments_count)
    assert counts[0] < counts[1]
    assert found[0] == found[1]
