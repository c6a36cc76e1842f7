"""Random samples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import edgeshard as m
from edgeshard.filter.selections import Selection


@pytest.fixture
def shard(tmp_path: Path) -> m.EdgeShard:
    """Two segments, points 0 to 199 without 0, 7, 14 and so on."""
    optimizers = m.EdgeOptimizersConfig(indexing_threshold=1)
    config = m.EdgeConfig(vectors=m.EdgeVectorParams(4, m.Distance.Dot), optimizers=optimizers)
    made = m.EdgeShard.create(tmp_path / "shard", config)
    for first in (0, 100):
        points = [m.Point(n, [n, 1.0, 1.0, 1.0], {"n": n}) for n in range(first, first + 100)]
        made.update(m.UpdateOperation.upsert_points(points))
        if not first:
            made.optimize()
    made.update(m.UpdateOperation.delete_points(list(range(0, 200, 7))))
    assert made.info().segments_count > 1
    return made


def drawn(shard: m.EdgeShard, limit: int, condition: m.Filter | None = None) -> list[int]:
    return [point.id for point in shard.query(m.QueryRequest(limit, query=m.Sample.Random, filter=condition))]


def test_samples_are_of_the_points_there_are(shard: m.EdgeShard) -> None:
    there = {n for n in range(200) if n % 7}
    everyone = drawn(shard, 1000)
    assert sorted(everyone) == sorted(there)
    assert everyone != sorted(there)
    seen = [drawn(shard, 10) for _ in range(200)]
    assert all(len(set(sample)) == 10 for sample in seen)
    assert {point for sample in seen for point in sample} == there
    assert drawn(shard, 0) == []


def test_samples_of_what_a_filter_leaves(shard: m.EdgeShard) -> None:
    few = m.Filter(must=[m.FieldCondition("n", range=m.RangeFloat(gte=95, lt=105))])
    assert sorted(drawn(shard, 1000, few)) == [95, 96, 97, 99, 100, 101, 102, 103, 104]
    assert len(set(drawn(shard, 5, few))) == 5
    assert drawn(shard, 5, m.Filter(must=[m.HasIdCondition({7})])) == []


@pytest.mark.parametrize("first", [10, 150])
def test_samples_of_one_of_the_segments(first: int, shard: m.EdgeShard) -> None:
    some = m.Filter(must=[m.FieldCondition("n", range=m.RangeFloat(gte=first, lt=first + 10))])
    there = {n for n in range(first, first + 10) if n % 7}
    assert sorted(drawn(shard, 1000, some)) == sorted(there)
    seen = [drawn(shard, 3, some) for _ in range(200)]
    assert all(len(set(sample)) == 3 for sample in seen)
    assert {point for sample in seen for point in sample} == there


def test_a_sample_of_a_whole_shard_lists_no_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = m.EdgeConfig(vectors=m.EdgeVectorParams(4, m.Distance.Dot))
    with m.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(m.UpdateOperation.upsert_points([m.Point(n, [n, 1.0, 1.0, 1.0]) for n in range(100)]))
        monkeypatch.delattr(Selection, "offsets")
        assert len(set(drawn(shard, 10))) == 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_draws_its_own() -> None:
    from edgeshard.query.stages import _drawn

    _drawn(10**9, 1)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, str(_drawn(10**9, 1).tolist()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() != str(_drawn(10**9, 1).tolist())
    os.waitpid(child, 0)
