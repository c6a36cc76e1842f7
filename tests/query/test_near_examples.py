"""Recommendation, discovery, context and feedback from few points give what scoring all points gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as e
from edgeshard.query import near_examples, vector_search

COUNT, DIM = 4000, 8
SHORTER = ("best_score", "discover", "weighted_sum")


def vectors() -> np.ndarray:
    found = np.random.default_rng(7).normal(size=(COUNT, DIM)).astype(np.float32)
    found[1000:1400] = found[7]  # ties: only scoring all points can tell
    return found


@pytest.fixture(params=["Cosine", "Dot", "Euclid", "Manhattan", "MaxSim"])
def shard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[e.EdgeShard]:
    several = request.param == "MaxSim"
    multi = e.MultiVectorConfig(e.MultiVectorComparator.MaxSim) if several else None
    distance = e.Distance.Cosine if several else getattr(e.Distance, request.param)
    config = e.EdgeConfig(vectors=e.EdgeVectorParams(DIM, distance, multivector_config=multi))
    with e.EdgeShard.create(tmp_path / "shard", config) as shard:
        rows = [np.stack([row, -row[::-1]]) for row in vectors()] if several else vectors()
        points = [e.Point(number, row, {"odd": number % 2}) for number, row in enumerate(rows)]
        shard.update(e.UpdateOperation.upsert_points(points))
        shard.update(e.UpdateOperation.delete_points(list(range(0, COUNT, 9))))
        yield shard


def queries(kind: str, rng: np.random.Generator) -> Any:
    rows = vectors()
    near = [rows[n] + rng.normal(scale=0.3, size=DIM).astype(np.float32) for n in rng.integers(COUNT, size=7)]
    pairs = [
        e.ContextPair(near[2 * n], near[2 * n + 1]) for n in range(int(rng.integers(0 if kind == "discover" else 1, 4)))
    ]
    if kind == "best":
        return e.Query.RecommendBestScore(
            e.RecommendQuery(near[: int(rng.integers(0, 4))], near[4 : 4 + int(rng.integers(3))])
        )
    if kind == "discover":
        return e.Query.Discover(e.DiscoverQuery(near[6], pairs))
    if kind == "context":
        return e.Query.Context(e.ContextQuery(pairs))
    items = [e.FeedbackItem(near[n], float(rng.choice([0.1, 0.5, 0.9]))) for n in range(int(rng.integers(1, 5)))]
    return e.Query.FeedbackNaive(e.FeedbackNaiveQuery(near[6], items, e.NaiveFeedbackStrategy(0.7, 1.5, 0.3)))


@pytest.mark.parametrize("kind", ["best", "discover", "context", "feedback"])
def test_few_points_are_enough(shard: e.EdgeShard, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    odd = e.Filter(must=[e.FieldCondition("odd", match=e.MatchValue(1))])
    requests = [
        e.QueryRequest(
            limit=int(rng.integers(1, 12)), query=queries(kind, rng), filter=[None, odd][int(rng.integers(2))]
        )
        for _ in range(25)
    ]
    if kind == "best":
        requests.append(e.QueryRequest(limit=5, query=e.Query.RecommendBestScore(e.RecommendQuery([vectors()[7]], []))))
    answered, scored = watch(monkeypatch)
    monkeypatch.setattr(vector_search, "BLOCK", 300)
    short = [shard.query(request) for request in requests]
    params = shard.config.vectors[""]
    linear = params.distance in (e.Distance.Cosine, e.Distance.Dot) and params.multivector_config is None
    if kind == "context":
        assert min(scored) < 0.5 * COUNT  # many end early
    elif kind == "feedback":
        assert answered == [True] * len(requests) * linear
    else:
        assert sum(answered) > 10
        assert not all(answered)
    monkeypatch.undo()
    for name in SHORTER:
        monkeypatch.setattr(near_examples, name, lambda *_: None)
    monkeypatch.setattr(vector_search, "BLOCK", COUNT)
    for request, found in zip(requests, short, strict=True):
        expected = shard.query(request)
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], rel=1e-6, abs=1e-6)
        assert [hit.id for hit in found] == [hit.id for hit in expected], request


def watch(monkeypatch: pytest.MonkeyPatch) -> tuple[list[bool], list[int]]:
    """Whether the shorter ways found each answer, and how many points each scoring of all was over."""
    answered: list[bool] = []
    scored: list[int] = []
    for name in SHORTER:
        whole = getattr(near_examples, name)

        def watched(*arguments: Any, whole: Any = whole) -> Any:
            found = whole(*arguments)
            answered.append(found is not None)
            return found

        monkeypatch.setattr(near_examples, name, watched)
    best = vector_search.best

    def counted(keys: Any, scores: Any, limit: int) -> Any:
        scored.append(len(keys))
        return best(keys, scores, limit)

    monkeypatch.setattr(vector_search, "best", counted)
    return answered, scored


def test_weights_that_overflow_are_left_to_scoring_all_points(tmp_path: Path) -> None:
    with e.EdgeShard.create(tmp_path, e.EdgeConfig(vectors=e.EdgeVectorParams(2, e.Distance.Dot))) as shard:
        shard.update(e.UpdateOperation.upsert_points([e.Point(n, [n * 1e30, 1.0]) for n in range(9)]))
        items = [e.FeedbackItem([3e38, 0.0], 0.9), e.FeedbackItem([-3e38, 0.0], 0.1)]
        query = e.Query.FeedbackNaive(e.FeedbackNaiveQuery([1.0, 0.0], items, e.NaiveFeedbackStrategy(1.0, 1.0, 3e38)))
        assert all(
            np.isfinite(hit.score) or hit.score == np.inf for hit in shard.query(e.QueryRequest(limit=10, query=query))
        )


def test_walks_over_a_graph_find_nearly_all(tmp_path: Path) -> None:
    """Where points are many, the points near an example come from a graph unless exact ones are asked for."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(60, 24)).astype(np.float32)
    rows = centres[rng.integers(60, size=12_000)] + rng.normal(scale=0.4, size=(12_000, 24)).astype(np.float32)
    config = e.EdgeConfig(
        vectors=e.EdgeVectorParams(24, e.Distance.Cosine),
        hnsw_config=e.HnswIndexConfig(16, 100, 10),
        optimizers=e.EdgeOptimizersConfig(indexing_threshold=1),
    )
    with e.EdgeShard.create(tmp_path, config) as shard:
        shard.update(e.UpdateOperation.upsert_batch(np.arange(12_000, dtype=np.uint64), rows))
        assert shard.optimize()
        for make in (
            lambda n: e.Query.RecommendBestScore(e.RecommendQuery([rows[n], rows[n + 1]], [rows[n + 2]])),
            lambda n: e.Query.Discover(e.DiscoverQuery(rows[n], [e.ContextPair(rows[n + 1], rows[n + 2])])),
            lambda n: e.Query.FeedbackNaive(
                e.FeedbackNaiveQuery(
                    rows[n],
                    [e.FeedbackItem(rows[n + 1], 0.9), e.FeedbackItem(rows[n + 2], 0.2)],
                    e.NaiveFeedbackStrategy(0.6, 1.0, 0.4),
                )
            ),
        ):
            shares = []
            for number in range(0, 600, 10):
                found, exact = (
                    shard.query(e.QueryRequest(limit=10, query=make(number), params=params))
                    for params in (None, e.SearchParams(exact=True))
                )
                bar = exact[-1].score - 1e-6
                shares.append(sum(hit.score >= bar for hit in found) / len(exact))
            assert np.mean(shares) > 0.97
