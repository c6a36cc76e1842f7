"""Turbo vectors through snapshots, added names and optimisations."""

from __future__ import annotations

import shutil
from math import cos, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard as es
from edgeshard.shard.snapshot.complete import check_segment

OPS = es.UpdateOperation
ROW = [1.0, 2.0, 3.0, 4.0]


def config(mod: Any, datatype: str, multi: bool) -> Any:
    comparator = mod.MultiVectorConfig(mod.MultiVectorComparator.MaxSim) if multi else None
    params = mod.EdgeVectorParams(
        4, mod.Distance.Dot, datatype=getattr(mod.VectorStorageDatatype, datatype), multivector_config=comparator
    )
    return mod.EdgeConfig(vectors={"a": params}, optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1))


@pytest.mark.parametrize("optimised", [False, True])
@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("datatype", ["Turbo4", "Turbo8", "Turbo16"])
def test_a_snapshot_of_turbo_vectors(datatype: str, multi: bool, optimised: bool, tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config(es, datatype, multi)) as shard:
        shard.update(OPS.upsert_points([es.Point(i, {"a": [ROW] if multi else ROW}, {}) for i in range(300)]))
        assert not optimised or shard.optimize()
        shard.create_snapshot(tmp_path / "archive")
        for mod in (qdrant_edge, es):
            target = tmp_path / mod.__name__
            mod.EdgeShard.unpack_snapshot(str(tmp_path / "archive"), str(target))
            assert mod.EdgeShard.load(str(target)).count(mod.CountRequest()) == 300
        shard.update_from_snapshot(tmp_path / "archive", force=True)
        assert shard.count(es.CountRequest()) == 300


@pytest.mark.parametrize("missing", ["tq_vectors", "deleted"])
def test_a_segment_without_its_turbo_vectors_is_not_complete(missing: str, tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config(es, "Turbo8", False)) as shard:
        shard.update(OPS.upsert_points([es.Point(i, {"a": ROW}, {}) for i in range(30)]))
    (segment,) = (tmp_path / "shard" / "segments").iterdir()
    check_segment(segment)
    shutil.rmtree(segment / "vector_storage-a" / missing)
    with pytest.raises(es.SnapshotError, match=missing):
        check_segment(segment)


@pytest.mark.parametrize("datatype", ["Turbo4", "Turbo8", "Turbo16", "Float16"])
@pytest.mark.parametrize("multi", [False, True])
def test_a_name_added_to_an_optimised_shard(datatype: str, multi: bool, tmp_path: Path) -> None:
    settings = es.EdgeConfig(
        vectors={"a": es.EdgeVectorParams(2, es.Distance.Dot)},
        optimizers=es.EdgeOptimizersConfig(
            indexing_threshold=1, deleted_threshold=0.01, vacuum_min_vector_number=1, default_segment_number=1
        ),
    )
    with es.EdgeShard.create(tmp_path / "shard", settings) as shard:
        angles = np.random.default_rng(3).uniform(0, 6.28, 250).tolist()
        shard.update(OPS.upsert_points([es.Point(i, {"a": [cos(angles[i]), sin(angles[i])]}, {}) for i in range(200)]))
        assert shard.optimize()
        comparator = es.MultiVectorConfig(es.MultiVectorComparator.MaxSim) if multi else None
        kind = getattr(es.VectorStorageDatatype, datatype)
        shard.update(OPS.create_dense_vector("d", 3, es.Distance.Dot, comparator, kind))
        row = [1.0, 2.0, 3.0]
        points = []
        for i in range(150, 250):
            vectors = {"a": [cos(angles[i]), sin(angles[i])], "d": [row] if multi else row}
            points.append(es.Point(i, vectors, {}))
        shard.update(OPS.upsert_points(points))
        assert shard.optimize()
        assert shard.count(es.CountRequest(filter=es.Filter(must=[es.HasVectorCondition("d")]))) == 100
    assert es.EdgeShard.check(tmp_path / "shard") == []


@pytest.mark.parametrize("mod", [qdrant_edge, es], ids=lambda mod: mod.__name__)
@pytest.mark.parametrize("sparse", [False, True])
def test_a_snapshot_of_an_optimised_shard_with_a_name_added_later(mod: Any, sparse: bool, tmp_path: Path) -> None:
    (tmp_path / "shard").mkdir()
    settings = mod.EdgeConfig(
        vectors={"a": mod.EdgeVectorParams(4, mod.Distance.Dot)},
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = mod.EdgeShard.create(str(tmp_path / "shard"), settings)
    update = mod.UpdateOperation
    shard.update(update.upsert_points([mod.Point(i, {"a": [1.0, 2.0, 3.0, i]}, {}) for i in range(300)]))
    assert shard.optimize()
    shard.update(update.create_sparse_vector("x") if sparse else update.create_dense_vector("x", 2, mod.Distance.Dot))
    shard.close()
    with es.EdgeShard.load(tmp_path / "shard") as packed:
        packed.create_snapshot(tmp_path / "archive")
    for reader in (qdrant_edge, es):
        reader.EdgeShard.unpack_snapshot(str(tmp_path / "archive"), str(tmp_path / reader.__name__))
        assert reader.EdgeShard.load(str(tmp_path / reader.__name__)).count(reader.CountRequest()) == 300
