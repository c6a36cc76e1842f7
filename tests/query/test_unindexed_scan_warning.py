"""The warning that a search scanned what an index should find: when, how often, and when not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es

DIM = 16
OPS = es.UpdateOperation
LIMIT_KB = 64  # 1,024 vectors


def config(threshold_kb: int | None = LIMIT_KB) -> es.EdgeConfig:
    return es.EdgeConfig(
        vectors=es.EdgeVectorParams(size=DIM, distance=es.Distance.Dot),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=threshold_kb),
    )


def put(shard: es.EdgeShard, first: int, count: int) -> None:
    rows = np.random.default_rng(first).normal(size=(count, DIM)).astype(np.float32)
    ids = np.arange(first, first + count, dtype=np.uint64)
    shard.update(OPS.upsert_batch(ids, rows, [{"n": int(point)} for point in ids]))


def search(shard: es.EdgeShard, **settings: Any) -> None:
    shard.query(es.QueryRequest(query=es.Query.Nearest([1.0] * DIM), limit=3, **settings))


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[es.EdgeShard]:
    with es.EdgeShard.create(tmp_path / "shard", config()) as opened:
        yield opened


def test_once_until_it_is_optimised_and_outgrown_again(shard: es.EdgeShard) -> None:
    put(shard, 0, 1000)
    search(shard)  # below the threshold: no warning, which would be an error here
    put(shard, 1000, 1000)
    with pytest.warns(es.UnindexedScanWarning, match=r"2,000 vectors .*64 KB.*optimize\(\)") as caught:
        search(shard)
    assert [warning.filename for warning in caught] == [__file__]
    search(shard)
    put(shard, 2000, 500)
    search(shard)
    shard.optimize()
    search(shard)
    put(shard, 3000, 900)
    search(shard)
    put(shard, 4000, 900)
    with pytest.warns(es.UnindexedScanWarning):
        search(shard)


def test_a_name_is_told(tmp_path: Path) -> None:
    named = es.EdgeConfig(
        vectors={"title": es.EdgeVectorParams(size=DIM, distance=es.Distance.Dot)}, optimizers=config().optimizers
    )
    with es.EdgeShard.create(tmp_path / "shard", named) as shard:
        rows = np.ones((2000, DIM), np.float32)
        shard.update(OPS.upsert_batch(np.arange(2000, dtype=np.uint64), {"title": rows}))
        with pytest.warns(es.UnindexedScanWarning, match="'title'"):
            shard.query_arrays(rows[0], limit=3, using="title")


def test_not_for_what_was_asked_for_or_what_is_small(shard: es.EdgeShard) -> None:
    put(shard, 0, 3000)
    search(shard, params=es.SearchParams(exact=True))
    search(shard, filter=es.Filter(must=[es.FieldCondition("n", range=es.RangeFloat(lt=500))]))
    shard.scroll(es.ScrollRequest())
    with pytest.warns(es.UnindexedScanWarning, match="2,000 vectors"):
        search(shard, filter=es.Filter(must=[es.FieldCondition("n", range=es.RangeFloat(lt=2000))]))


def test_not_when_nothing_is_ever_to_be_indexed(tmp_path: Path) -> None:
    with es.EdgeShard.create(tmp_path / "shard", config(0)) as shard:
        put(shard, 0, 3000)
        search(shard)


def test_it_can_be_silenced(shard: es.EdgeShard) -> None:
    put(shard, 0, 3000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", es.EdgeShardWarning)
        search(shard)
    search(shard)
