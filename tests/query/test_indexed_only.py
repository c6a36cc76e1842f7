"""Searches that leave out what no index finds, and explanations that tell how each segment was searched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard

ENGINES = (edgeshard, qdrant_edge)
DIM, COUNT = 1024, 2501  # 10,004 KB; one point less makes 10,000
ROWS = np.random.default_rng(1).normal(size=(COUNT, DIM)).astype(np.float32)


def fill(mod: Any, path: Path) -> Any:
    config = mod.EdgeConfig(
        vectors={
            "": mod.EdgeVectorParams(DIM, mod.Distance.Dot),
            "half": mod.EdgeVectorParams(DIM, mod.Distance.Dot, datatype=mod.VectorStorageDatatype.Float16),
        },
        sparse_vectors={"words": mod.EdgeSparseVectorParams()},
        optimizers=mod.EdgeOptimizersConfig(indexing_threshold=0),
    )
    shard = mod.EdgeShard.create(str(path), config)
    words = mod.SparseVector([1], [1.0])
    vectors = [{"": row.tolist(), "half": row.tolist(), "words": words} for row in ROWS]
    points = [mod.Point(n, vector, {"n": n}) for n, vector in enumerate(vectors)]
    shard.update(mod.UpdateOperation.upsert_points(points))
    return shard


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Any, Any]]:
    path = tmp_path_factory.mktemp("indexed-only")
    opened = {mod: fill(mod, path / mod.__name__) for mod in ENGINES}
    yield opened
    for shard in opened.values():
        shard.close()


def found(mod: Any, shard: Any, query: Any, *, exact: bool = False, ids: int | None = None) -> int:
    only = mod.SearchParams(indexed_only=True, exact=exact)
    chosen = None if ids is None else mod.Filter(must=[mod.HasIdCondition(set(range(ids)))])
    return len(shard.query(mod.QueryRequest(query=query, limit=3, filter=chosen, params=only)))


@pytest.mark.parametrize("mod", ENGINES, ids=lambda mod: mod.__name__)
def test_what_is_left_out(mod: Any, shards: dict[Any, Any]) -> None:
    shard, row = shards[mod], ROWS[0].tolist()
    nearest = mod.Query.Nearest(row)
    assert found(mod, shard, nearest) == 0
    assert found(mod, shard, nearest, exact=True) == 0
    assert found(mod, shard, nearest, ids=COUNT) == 0
    assert found(mod, shard, nearest, ids=COUNT - 1) == 3  # which are no more than 10,000 KB
    assert found(mod, shard, mod.Query.Nearest(row, "half")) == 3
    assert found(mod, shard, mod.Query.Nearest(mod.SparseVector([1], [1.0]), "words")) == 3
    best = mod.Query.RecommendBestScore(mod.RecommendQuery(positives=[row], negatives=[]))
    assert found(mod, shard, best) == 0
    assert found(mod, shard, best, ids=9) == 3
    assert found(mod, shard, mod.Mmr(row, lambda_=0.5, candidates_limit=9)) == 0
    inner = mod.Prefetch(limit=5, query=nearest)
    again = mod.QueryRequest(prefetches=[inner], query=nearest, limit=3, params=mod.SearchParams(indexed_only=True))
    assert len(shard.query(again)) == 3  # re-scoring scans nothing


def test_an_explanation_names_what_is_left_out(shards: dict[Any, Any]) -> None:
    only = edgeshard.SearchParams(indexed_only=True)
    for query in (
        edgeshard.Query.Nearest(ROWS[0]),
        edgeshard.Query.RecommendBestScore(edgeshard.RecommendQuery(positives=[ROWS[0]], negatives=[])),
    ):
        plan = shards[edgeshard].explain(edgeshard.QueryRequest(query=query, limit=3, params=only))
        assert [(one.strategy, one.scored, one.cardinality) for one in plan.segments] == [("left out", 0, COUNT)]
        assert plan.hits == 0


def test_an_explanation_names_the_way_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeshard.segment.graph_field.SCAN_ROWS", 100)
    config = edgeshard.EdgeConfig(
        vectors=edgeshard.EdgeVectorParams(8, edgeshard.Distance.Dot),
        sparse_vectors={"words": edgeshard.EdgeSparseVectorParams()},
        hnsw_config=edgeshard.HnswIndexConfig(16, 100, 1),
        optimizers=edgeshard.EdgeOptimizersConfig(indexing_threshold=1),
    )
    with edgeshard.EdgeShard.create(tmp_path / "shard", config) as shard:
        rows = ROWS[:600, :8]
        shard.update(edgeshard.UpdateOperation.upsert_batch(np.arange(600, dtype=np.uint64), rows))
        shard.optimize()

        def way(wanted: int | None = None, using: str = "", **params: Any) -> tuple[str, int, int | None]:
            vector = edgeshard.SparseVector([1], [1.0]) if using else rows[0]
            chosen = None
            if wanted is not None:
                chosen = edgeshard.Filter(must=[edgeshard.HasIdCondition(range(wanted))])
            request = edgeshard.QueryRequest(
                query=edgeshard.Query.Nearest(vector, using),
                limit=3,
                filter=chosen,
                params=edgeshard.SearchParams(**params),
            )
            plan = max(shard.explain(request).segments, key=lambda one: one.points)
            return plan.strategy, plan.cardinality, plan.scored

        assert way() == ("graph", 600, None)
        assert way(indexed_only=True) == ("graph", 600, None)
        assert way(exact=True) == ("scan", 600, 600)
        assert way(300) == ("graph", 300, None)
        assert way(90) == ("filtered scan", 90, 90)
        assert way(using="words") == ("index", 0, None)
        nothing = np.zeros(0, np.uint32), np.zeros(0, np.float32)
        monkeypatch.setattr("edgeshard.index.hnsw.HnswGraph.search_one", lambda *_: nothing)
        assert way(300) == ("filtered scan", 300, 300)  # a walk found too few of them
