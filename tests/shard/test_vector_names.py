"""Names of vectors that come and go, in both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

import edgeshard


@pytest.mark.parametrize("mod", [qdrant_edge, edgeshard], ids=lambda mod: mod.__name__)
def test_the_last_vector_name_can_be_deleted(mod: Any, tmp_path: Path) -> None:
    config = mod.EdgeConfig(vectors={"a": mod.EdgeVectorParams(2, mod.Distance.Dot)})
    (tmp_path / "shard").mkdir()
    shard = mod.EdgeShard.create(str(tmp_path / "shard"), config)
    shard.update(mod.UpdateOperation.upsert_points([mod.Point(1, {"a": [1.0, 2.0]}, {"n": 1})]))
    shard.update(mod.UpdateOperation.delete_vector_name("a"))
    shard.close()
    shard = mod.EdgeShard.load(str(tmp_path / "shard"))
    assert [(record.vector, record.payload) for record in shard.retrieve([1], True, True)] == [({}, {"n": 1})]
    shard.update(mod.UpdateOperation.create_dense_vector("b", 2, mod.Distance.Dot))
    shard.update(mod.UpdateOperation.update_vectors([mod.PointVectors(1, {"b": [3.0, 4.0]})]))
    assert [record.vector for record in shard.retrieve([1], True, True)] == [{"b": [3.0, 4.0]}]


@pytest.mark.parametrize("mod", [qdrant_edge, edgeshard], ids=lambda mod: mod.__name__)
def test_a_sparse_name_does_not_change_its_element_type(mod: Any, tmp_path: Path) -> None:
    config = mod.EdgeConfig(vectors={"a": mod.EdgeVectorParams(2, mod.Distance.Dot)})
    (tmp_path / "shard").mkdir()
    shard = mod.EdgeShard.create(str(tmp_path / "shard"), config)
    types = mod.VectorStorageDatatype
    for _ in range(2):  # saying the same again is fine
        shard.update(mod.UpdateOperation.create_sparse_vector("s", None, types.Float16))
    for other in (types.Float32, types.Uint8, None):
        with pytest.raises(Exception, match="already exists with different parameters"):
            shard.update(mod.UpdateOperation.create_sparse_vector("s", None, other))


@pytest.mark.parametrize("kind", ["dense", "multi", "sparse", "idf"])
def test_queries_of_a_name_that_an_optimised_segment_lacks(kind: str, tmp_path: Path) -> None:
    es, ops = edgeshard, edgeshard.UpdateOperation
    config = es.EdgeConfig(
        vectors={"a": es.EdgeVectorParams(2, es.Distance.Dot)},
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
    )
    vector: Any = [1.0, 2.0] if kind == "dense" else [[1.0, 2.0], [0.0, 1.0]]
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(ops.upsert_points([es.Point(i, {"a": [1.0, i]}, {}) for i in range(300)]))
        assert shard.optimize()
        if kind in ("sparse", "idf"):
            vector = es.SparseVector([1, 5], [1.0, 2.0])
            shard.update(ops.create_sparse_vector("x", es.Modifier.Idf if kind == "idf" else None))
        else:
            comparator = es.MultiVectorConfig(es.MultiVectorComparator.MaxSim) if kind == "multi" else None
            shard.update(ops.create_dense_vector("x", 2, es.Distance.Dot, comparator))
        shard.update(ops.upsert_points([es.Point(i, {"x": vector}, {}) for i in (500, 501)]))
        shard._store.segments = sorted(shard._store.segments, key=lambda segment: segment.appendable)
        request = es.QueryRequest(
            query=es.Query.Nearest(vector, using="x"), limit=9, params=es.SearchParams(exact=True)
        )
        assert [hit.id for hit in shard.query(request)] == [500, 501]
        pairs = shard.search_matrix_pairs(es.SearchMatrixRequest(sample_size=9, limit_per_sample=2, using="x"))
        assert {pair.a for pair in pairs} == {500, 501}
