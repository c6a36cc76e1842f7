"""Orderings with equal values, and vector names nobody has: the answers of both engines are the same."""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge

import edgeshard

MODULES = (qdrant_edge, edgeshard)
IDS = random.Random(3).sample(range(1000), 30) + [uuid.UUID(int=n << 90) for n in (5, 2, 9)]
"""Not in order, and stored one by one: Qdrant stores those of one call in any order."""
VALUES = [0, 1, 2, [0, 1], [2, 1], 5]


def make(mod: Any, path: Path) -> Any:
    optimizers = mod.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1)
    config = mod.EdgeConfig(vectors=mod.EdgeVectorParams(64, mod.Distance.Dot), optimizers=optimizers)
    path.mkdir()
    shard = mod.EdgeShard.create(str(path), config)
    for field, kind in (("n", "Integer"), ("x", "Float"), ("k", "Keyword")):
        shard.update(mod.UpdateOperation.create_field_index(field, getattr(mod.PayloadSchemaType, kind)))
    return shard


def put(mod: Any, shard: Any, ids: list[Any], seed: int) -> None:
    rng = random.Random(seed)
    for point_id in ids:
        payload = {"n": rng.choice(VALUES), "x": rng.choice([-0.0, 0.0, 1.5]), "k": rng.choice("abb")}
        shard.update(mod.UpdateOperation.upsert_points([mod.Point(point_id, [1.0] * 64, payload)]))


def pages(mod: Any, shard: Any) -> list[Any]:
    """The pages of every ordering, with filters and without, and of points that prefetches found."""
    some = [None, *(mod.Filter(must=[mod.FieldCondition("k", match=mod.MatchValue(word))]) for word in "ab")]
    some += [mod.Filter(must=[mod.HasIdCondition(set(IDS[:12]))])]
    found = []
    for order in (
        mod.OrderBy(field, direction, start)
        for field in ("n", "x")
        for direction in (None, mod.Direction.Asc, mod.Direction.Desc)
        for start in (None, 1)
    ):
        for filter in some:
            for limit in (3, 8, 100):
                found.append(shard.scroll(mod.ScrollRequest(limit=limit, order_by=order, filter=filter))[0])
                found.append(shard.query(mod.QueryRequest(limit=limit, query=order, filter=filter)))
                given = [mod.Prefetch(100, filter=filter)]
                found.append(shard.query(mod.QueryRequest(limit=limit, query=order, prefetches=given)))
    return [[(point.id, point.order_value) for point in page] for page in found]


def test_equal_values_in_order(tmp_path: Path) -> None:
    shards = [make(mod, tmp_path / mod.__name__) for mod in MODULES]
    stages = []
    for mod, shard in zip(MODULES, shards, strict=True):
        put(mod, shard, IDS, 1)
        answers = [pages(mod, shard)]
        shard.optimize()
        answers.append(pages(mod, shard))
        put(mod, shard, [*range(2000, 2012), *IDS[5:9]][::-1], 2)  # a second segment
        answers.append(pages(mod, shard))
        stages.append(answers)
    for theirs, ours in zip(*stages, strict=True):
        assert ours == theirs


def reads_with_a_wrong_name(mod: Any, shard: Any, ids: list[int]) -> list[Any]:
    """What reads of some points with a vector name nobody has find or raise."""
    nearest, some = mod.Query.Nearest([1.0] * 64), mod.Filter(must=[mod.HasIdCondition(set(ids))])
    wanted = {"filter": some, "with_vector": ["nope"]}
    found = [outcome(shard.retrieve, ids, None, ["nope"])]
    for limit in (0, 1):
        requests = [
            mod.QueryRequest(limit=limit, query=nearest, **wanted),
            mod.QueryRequest(limit=limit, **wanted),
            mod.QueryRequest(limit=limit, query=nearest, offset=5, **wanted),
            mod.QueryRequest(limit=limit, query=mod.Fusion.Rrf(2), prefetches=[mod.Prefetch(3, nearest)], **wanted),
        ]
        if limit:  # Qdrant picks one point for a limit of 0
            requests.append(mod.QueryRequest(limit=limit, query=mod.Mmr([1.0] * 64, 0.5, 3), **wanted))
        found += [outcome(shard.query, request) for request in requests]
        found.append(outcome(shard.search, mod.SearchRequest(nearest, limit, **wanted)))
        found.append(outcome(shard.scroll, mod.ScrollRequest(limit=limit, **wanted)))
    return found


@pytest.mark.parametrize("ids", [[], [99], [1], [1, 99], [7]])
def test_vector_names_nobody_has(ids: list[int], tmp_path: Path) -> None:
    """They are an error once a point is read; a search asks for them in any case."""
    outcomes = []
    for mod in MODULES:
        shard = make(mod, tmp_path / mod.__name__)
        shard.update(mod.UpdateOperation.upsert_points([mod.Point(1, [1.0] * 64, {}), mod.Point(7, {}, {})]))
        outcomes.append(reads_with_a_wrong_name(mod, shard, ids))
    assert outcomes[1] == outcomes[0]


def outcome(call: Any, *args: Any) -> Any:
    """How many points a call finds, or the first words of what it raises."""
    try:
        return len(call(*args))
    except Exception as error:
        return str(error).split(".")[0]
