"""What info() says, and that it counts only what has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeshard as es
from edgeshard.segment.payload_indexes import PayloadIndexes


def test_counts_of_indexed_points_are_remembered_until_something_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizers = es.EdgeOptimizersConfig(indexing_threshold=1)
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(4, es.Distance.Dot), optimizers=optimizers)
    counted: list[str] = []
    points = PayloadIndexes.points

    def spy(indexes: PayloadIndexes, field: str) -> int:
        counted.append(indexes.path.parent.name)
        return points(indexes, field)

    monkeypatch.setattr(PayloadIndexes, "points", spy)
    with es.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(es.UpdateOperation.create_field_index("k", es.PayloadSchemaType.Keyword))
        shard.update(es.UpdateOperation.upsert_points([es.Point(n, [1.0] * 4, {"k": "x"}) for n in range(200)]))
        shard.optimize()
        assert indexed(shard) == 200
        once = len(counted)
        assert indexed(shard) == 200
        assert len(counted) == once
        shard.update(es.UpdateOperation.upsert_points([es.Point(1000, [1.0] * 4, {"k": "y"})]))
        assert indexed(shard) == 201
        assert len(counted) == once + 1, "only the segment that has changed"
        shard.update(es.UpdateOperation.clear_payload([5]))
        assert indexed(shard) == 200
        shard.update(es.UpdateOperation.delete_points([6, 1000]))
        assert indexed(shard) == 198
        shard.update(es.UpdateOperation.delete_field_index("k"))
        shard.update(es.UpdateOperation.create_field_index("k", es.PayloadSchemaType.Integer))
        assert indexed(shard) == 0


def indexed(shard: es.EdgeShard) -> int:
    return shard.info().payload_schema["k"].points
