"""Shards of TurboQuant element types written by one engine, read and continued by the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard

DIM = 21
TYPES = ("Turbo4", "Turbo8", "Turbo16")
DISTANCES = ("Cosine", "Euclid", "Dot", "Manhattan")
SCORE_TOLERANCE = {"Turbo4": 0.05, "Turbo8": 1e-3, "Turbo16": 2e-4}
"""Against the spread of all scores; both engines round queries, each in its own way."""


def config(mod: Any, datatype: str, distance: str, multi: bool) -> Any:
    params = {"size": DIM, "distance": getattr(mod.Distance, distance)}
    if multi:
        params["multivector_config"] = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim)
    datatype = getattr(mod.VectorStorageDatatype, datatype)
    return mod.EdgeConfig(vectors={"": mod.EdgeVectorParams(**params, datatype=datatype)})


def put(mod: Any, shard: Any, rows: np.ndarray, ids: range, multi: bool) -> None:
    vectors = [rows[i : i + 3].tolist() if multi else rows[i].tolist() for i in ids]
    points = [mod.Point(i, vector, {}) for i, vector in zip(ids, vectors, strict=True)]
    shard.update(mod.UpdateOperation.upsert_points(points))


def scores(mod: Any, shard: Any, query: Any) -> dict[int, float]:
    request = mod.QueryRequest(query=mod.Query.Nearest(query), limit=100)
    return {point.id: point.score for point in shard.query(request)}


def vectors(shard: Any, ids: list[int]) -> dict[int, np.ndarray]:
    found = shard.retrieve(ids, with_payload=False, with_vector=True)
    return {record.id: np.array(record.vector) for record in found}


@pytest.mark.parametrize("multi", [False, True], ids=["dense", "multi"])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("datatype", TYPES)
@pytest.mark.parametrize("first", [edgeshard, qdrant_edge], ids=lambda mod: mod.__name__)
def test_both_engines_read_the_same(first: Any, datatype: str, distance: str, multi: bool, tmp_path: Path) -> None:
    second = edgeshard if first is qdrant_edge else qdrant_edge
    rows = np.random.default_rng(5).normal(size=(70, DIM)).astype(np.float32)
    query = rows[60:62].tolist() if multi else rows[60].tolist()
    shard = first.EdgeShard.create(str(tmp_path / "shard"), config(first, datatype, distance, multi))
    put(first, shard, rows, range(1, 50), multi)
    expected, stored = scores(first, shard, query), vectors(shard, [1, 7, 49])
    shard.close()
    shard = second.EdgeShard.load(str(tmp_path / "shard"))
    found = scores(second, shard, query)
    assert found.keys() == expected.keys()
    spread = np.std(list(expected.values()))
    assert max(abs(found[i] - expected[i]) for i in found) / spread < SCORE_TOLERANCE[datatype]
    for point, vector in vectors(shard, [1, 7, 49]).items():
        np.testing.assert_allclose(vector, stored[point], rtol=0, atol=2e-6)
    put(second, shard, rows, range(50, 60), multi)
    shard.close()
    shard = first.EdgeShard.load(str(tmp_path / "shard"))
    assert len(scores(first, shard, query)) == 59
    shard.close()


def test_missing_vectors_are_placeholders(tmp_path: Path) -> None:
    for mod in (qdrant_edge, edgeshard):
        params = {
            name: mod.EdgeVectorParams(8, mod.Distance.Cosine, datatype=mod.VectorStorageDatatype.Turbo8)
            for name in ("a", "b")
        }
        shard = mod.EdgeShard.create(str(tmp_path / mod.__name__), mod.EdgeConfig(vectors=params))
        points = [mod.Point(1, {"a": [1.0] * 8}, {}), mod.Point(2, {"b": [2.0] * 8}, {})]
        for point in points:
            shard.update(mod.UpdateOperation.upsert_points([point]))
        shard.close()
    reader = edgeshard.EdgeShard.load(str(tmp_path / "qdrant_edge"))
    assert vectors(reader, [2])[2].item().keys() == {"b"}
    reader.close()
    ours, theirs = (
        next((tmp_path / name / "segments").iterdir()) / "vector_storage-a/tq_vectors/chunk_0.mmap"
        for name in ("edgeshard", "qdrant_edge")
    )
    assert ours.read_bytes()[:24] == theirs.read_bytes()[:24]
