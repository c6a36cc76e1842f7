"""Changes of one point take a shorter way: it must lead to the same shard, log and errors as the general one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

import edgeshard
from edgeshard import (
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeVectorParams,
    Point,
    PointVectors,
    UpdateOperation,
    VectorStorageDatatype,
)
from edgeshard.shard import store
from edgeshard.storage.wal import Wal

IDS: list[Any] = [1, 2, 3, 2**63, UUID(int=7), UUID(int=8)]
KINDS = [
    (Distance.Cosine, None),
    (Distance.Dot, VectorStorageDatatype.Float16),
    (Distance.Euclid, VectorStorageDatatype.Uint8),
]


def change(rng: random.Random) -> UpdateOperation:
    point_id, vector = rng.choice(IDS), [round(rng.uniform(0, 200), 2) for _ in range(4)]
    kind = rng.randrange(8)
    if kind < 3:
        payload = rng.choice([None, {}, {"a": 1, "b": {"c": [1, None]}}, {"a": "é", "n": None}])
        return UpdateOperation.upsert_points([Point(point_id, vector, payload)])
    if kind == 3:
        return UpdateOperation.update_vectors([PointVectors(point_id, vector)])
    if kind < 6:
        patch = rng.choice([{"a": 2}, {"a": None}, {"new": {"x": 1.5}}, {}, {"b": {"d": 1}}])
        return UpdateOperation.set_payload([point_id], patch, key=rng.choice([None, None, None, "b"]))
    if kind == 6:
        return rng.choice([UpdateOperation.clear_payload([point_id]), UpdateOperation.delete_vectors([point_id], [""])])
    return UpdateOperation.delete_points([point_id])


def content(shard: EdgeShard) -> list[Any]:
    found = [shard.retrieve([point_id], with_payload=True, with_vector=True) for point_id in IDS]
    return [
        [(r.id, r.payload, None if r.vector is None else np.asarray(r.vector).tolist()) for r in records]
        for records in found
    ]


def logged(path: Path) -> list[bytes]:
    log = Wal.open(path / "wal", read_only=True)
    try:
        return [bytes(payload) for _, payload in log.entries(0)]
    finally:
        log.close()


@pytest.mark.parametrize("seed", range(60))
def test_the_shorter_way_leads_to_the_same_shard(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    distance, datatype = KINDS[seed % len(KINDS)]
    config = EdgeConfig(vectors=EdgeVectorParams(4, distance, datatype=datatype))
    operations = [change(rng) for _ in range(40)]
    if seed % 2:
        operations.insert(5, UpdateOperation.create_field_index("a", edgeshard.PayloadSchemaType.Integer))
    shorter, found = store.change_single, {}
    for way in ("shorter", "general"):
        monkeypatch.setattr(store, "change_single", shorter if way == "shorter" else lambda *_: False)
        path, failures = tmp_path / way, []
        shard = EdgeShard.create(path, config)
        for number, operation in enumerate(operations):
            if number == 25 and seed % 3 == 0:
                shard.optimize()
            try:
                shard.update(operation)
            except edgeshard.EdgeShardError as error:
                failures.append((number, type(error), str(error)))
        before = content(shard)
        versions = [segment.version for segment in shard._store.segments]
        log = logged(path)
        shard.close()
        with EdgeShard.load(path, verify="full") as shard:
            assert content(shard) == before
            assert shard.verify() == []
        found[way] = before, failures, versions, log
    assert found["general"][3]
    assert found["shorter"] == found["general"]


@pytest.mark.parametrize("ids", [np.array([2], np.uint64), np.array([2]), [np.int64(2)], (2,)])
def test_ids_of_any_kind_are_found(ids: Any, tmp_path: Path) -> None:
    with EdgeShard.create(tmp_path, EdgeConfig(vectors=EdgeVectorParams(4, Distance.Dot))) as shard:
        shard.update(UpdateOperation.upsert_points([Point(2, [1, 2, 3, 4], {"a": 1})]))
        shard.update(UpdateOperation.set_payload(ids, {"b": 2}))
        assert shard.retrieve([2])[0].payload == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (UpdateOperation.update_vectors([PointVectors(9, [1.0, 2.0, 3.0, 4.0])]), edgeshard.PointNotFoundError),
        (UpdateOperation.update_vectors([PointVectors(1, [1.0, 2.0])]), edgeshard.VectorDimensionError),
        (UpdateOperation.set_payload([9], {"a": 1}), edgeshard.PointNotFoundError),
        (UpdateOperation.upsert_points([Point(1, [1.0], {})]), edgeshard.VectorDimensionError),
    ],
)
def test_what_cannot_be_applied_is_refused_as_ever(
    operation: UpdateOperation, error: type[Exception], tmp_path: Path
) -> None:
    with EdgeShard.create(tmp_path, EdgeConfig(vectors=EdgeVectorParams(4, Distance.Dot))) as shard:
        shard.update(UpdateOperation.upsert_points([Point(1, [1, 2, 3, 4], {"a": 1})]))
        before = len(logged(tmp_path))
        with pytest.raises(error):
            shard.update(operation)
        assert len(logged(tmp_path)) == before
