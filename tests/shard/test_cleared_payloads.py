"""Nulls set on points whose payload was cleared: stored once, as qdrant-edge-py stores them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

import edgeshard

VECTOR = [float(number % 7) for number in range(64)]
NULL = {"n": None, "o": {"p": None}}


def steps(mod: Any) -> dict[str, list[Any]]:
    """What happens to point 4 after its payload was cleared, or to an optimised shard, by name; None optimises."""
    ops = mod.UpdateOperation
    clear = ops.clear_payload([4])
    return {
        "cleared": [clear],
        "cleared by filter": [ops.clear_payload_by_filter(mod.Filter())],
        "then its vector is replaced": [clear, ops.update_vectors([mod.PointVectors(4, VECTOR)])],
        "then keys are deleted": [clear, ops.delete_payload([4], ["a"])],
        "then it is overwritten": [clear, ops.overwrite_payload([4], {})],
        "then nothing is set": [clear, ops.set_payload([4], {})],
        "then it is set at a path": [clear, ops.set_payload([4], {"x": None}, key="k")],
        "then it is set and cleared again": [clear, ops.set_payload([4], {"x": 1}), clear],
        "then it is inserted again": [clear, ops.upsert_points([mod.Point(4, VECTOR)])],
        "then it is optimised": [clear, None],
        "in an optimised segment": [None, clear],
        "overwritten by nothing": [ops.overwrite_payload([4], {})],
        "its only key deleted": [ops.delete_payload([4], ["a"])],
    }


def payloads(mod: Any, path: Path, name: str) -> list[Any]:
    """Payload of the point after nulls are set once and twice, and after a load."""
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=1)
    config = mod.EdgeConfig(vectors=mod.EdgeVectorParams(64, mod.Distance.Dot), optimizers=optimizers)
    path.mkdir()
    shard = mod.EdgeShard.create(str(path), config)
    shard.update(mod.UpdateOperation.upsert_points([mod.Point(n, VECTOR, {"a": n}) for n in range(100)]))
    for step in steps(mod)[name]:
        if step is None:
            shard.optimize()
        else:
            shard.update(step)
    found = []
    for _ in range(2):
        shard.update(mod.UpdateOperation.set_payload([4], NULL))
        found.append(shard.retrieve([4], True, False)[0].payload)
        shard.close()
        shard = mod.EdgeShard.load(str(path))
        found.append(shard.retrieve([4], True, False)[0].payload)
    shard.close()
    return found


@pytest.mark.parametrize("name", steps(edgeshard))
def test_nulls_set_on_a_cleared_payload(name: str, tmp_path: Path) -> None:
    assert payloads(edgeshard, tmp_path / "ours", name) == payloads(qdrant_edge, tmp_path / "theirs", name)
