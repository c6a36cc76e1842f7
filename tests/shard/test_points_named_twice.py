"""An operation may name a point twice: a point of an optimised segment moves to an appendable one only once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgeshard import Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeVectorParams, Point, UpdateOperation

NAMED_TWICE = {
    "clear_payload": UpdateOperation.clear_payload([7, 5, 7, 5]),
    "delete_vectors": UpdateOperation.delete_vectors([7, 5, 7, 5], [""]),
    "delete_points": UpdateOperation.delete_points([7, 5, 7, 5]),
    "set_payload": UpdateOperation.set_payload([7, 5, 7, 5], {"b": 1}),
}


@pytest.mark.parametrize("kind", NAMED_TWICE)
def test_it_is_changed_once(kind: str, tmp_path: Path) -> None:
    optimizers = EdgeOptimizersConfig(indexing_threshold=1)
    config = EdgeConfig(EdgeVectorParams(4, Distance.Dot), optimizers=optimizers)
    with EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(UpdateOperation.upsert_points([Point(n, [1.0] * 4, {"a": 1}) for n in range(300)]))
        assert shard.optimize()
        shard.update(NAMED_TWICE[kind])
        shutil.copytree(tmp_path / "shard", tmp_path / "killed")  # the log alone knows of the change
        moved = [segment.count for segment in shard._store.segments if segment.appendable]
        assert moved == ([0] if kind == "delete_points" else [2])
        wanted = [str(record) for record in shard.retrieve([5, 6, 7], with_vector=True)]
    for name in ("shard", "killed"):
        with EdgeShard.load(tmp_path / name, verify="full") as shard:
            assert [str(record) for record in shard.retrieve([5, 6, 7], with_vector=True)] == wanted
            assert shard.verify() == []
