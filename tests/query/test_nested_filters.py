"""Filters of stages inside of each other: put together as in qdrant-edge-py, clause by clause."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import qdrant_edge

import edgeshard

INNER = ("none", "either", "two of three", "one of two")


def filters(mod: Any) -> dict[str, Any]:
    """Filters by name."""

    def has(key: str, value: int) -> Any:
        return mod.FieldCondition(key, match=mod.MatchValue(value))

    three = [has("a", 1), has("b", 1), has("c", 1)]
    return {
        "none": None,
        "must": mod.Filter(must=[has("a", 1)]),
        "should": mod.Filter(should=[has("a", 1)]),
        "either": mod.Filter(should=[has("b", 1), has("b", 2)]),
        "two of three": mod.Filter(min_should=mod.MinShould(three, 2)),
        "one of two": mod.Filter(min_should=mod.MinShould([has("c", 2), has("b", 2)], 1)),
        "both kinds": mod.Filter(must=[has("a", 0)], should=[has("c", 4)], must_not=[has("b", 0)]),
        "empty": mod.Filter(should=[]),
    }


def answers(mod: Any, path: Path) -> dict[Any, Any]:
    """Ids found through filters at three levels, by their names."""
    path.mkdir()
    shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors=mod.EdgeVectorParams(2, mod.Distance.Dot)))
    points = [mod.Point(n, [1.0, float(n)], {"a": n % 2, "b": n % 3, "c": n % 5}) for n in range(30)]
    shard.update(mod.UpdateOperation.upsert_points(points))
    named, nearest, found = filters(mod), mod.Query.Nearest([1.0, 0.0]), {}
    for outer, middle, inner in itertools.product(named, named, INNER):
        leaf = mod.Prefetch(limit=100, query=nearest, filter=named[inner])
        stage = mod.Prefetch(limit=100, query=nearest, filter=named[middle], prefetches=[leaf])
        request = mod.QueryRequest(limit=100, query=nearest, filter=named[outer], prefetches=[stage])
        found[outer, middle, inner] = sorted(point.id for point in shard.query(request))
    shard.close()
    return found


def test_nested_filters(tmp_path: Path) -> None:
    assert answers(edgeshard, tmp_path / "ours") == answers(qdrant_edge, tmp_path / "theirs")
