"""Equal scores inside prefetches: reciprocal rank fusion counts places, so their order is part of the answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard
from edgeshard import _native

MODULES = [edgeshard, qdrant_edge]


def places(mod: Any, path: Path, count: int, limit: int) -> list[tuple[int, float]]:
    """The fused list of one prefetch over points most of which score the same."""
    rng = random.Random(count)
    shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors=mod.EdgeVectorParams(2, mod.Distance.Dot)))
    ops = mod.UpdateOperation
    points = [mod.Point(i, [rng.choice([0.0, 0.0, -1.0, -2.0, -0.5]), 1.0], {"n": i}) for i in range(1, count + 1)]
    shard.update(ops.upsert_points(points))
    shard.update(ops.create_field_index("n", mod.PayloadSchemaType.Integer))
    inside = mod.Filter(must=[mod.FieldCondition("n", range=mod.RangeFloat(lte=1000))])
    below = mod.Prefetch(limit, mod.Query.Nearest([1.0, 0.0]), filter=inside)
    found = shard.query(mod.QueryRequest(limit, query=mod.Fusion.Rrf(2), prefetches=[below]))
    shard.close()
    return [(point.id, round(point.score, 6)) for point in found]


@pytest.mark.parametrize("limit", [1, 2, 5, 8, 16, 20])
@pytest.mark.parametrize("count", [12, 30, 64])
def test_places_of_equal_scores_are_those_of_the_oracle(tmp_path: Path, count: int, limit: int) -> None:
    ours, theirs = (places(mod, tmp_path / mod.__name__, count, limit) for mod in MODULES)
    assert ours == theirs


def test_places_are_a_permutation_in_descending_order() -> None:
    rng = np.random.default_rng(1)
    for size in range(40):
        scores = -np.sort(-rng.integers(0, 4, size).astype(np.float32))
        order = _native.queue_order(scores)
        assert sorted(order.tolist()) == list(range(size))
        assert bool((np.diff(scores[order]) <= 0).all())
        if len(set(scores.tolist())) == size:
            assert order.tolist() == list(range(size))
