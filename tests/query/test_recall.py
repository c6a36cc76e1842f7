"""measure_recall(): what it counts, against counts made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgeshard as es
from edgeshard.__main__ import main

DIM, POINTS = 24, 9000
OPS = es.UpdateOperation


def rows_of(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[es.EdgeShard]:
    config = es.EdgeConfig(
        vectors={
            "": es.EdgeVectorParams(size=DIM, distance=es.Distance.Cosine),
            "several": es.EdgeVectorParams(
                size=4,
                distance=es.Distance.Dot,
                multivector_config=es.MultiVectorConfig(es.MultiVectorComparator.MaxSim),
            ),
        },
        sparse_vectors={"words": es.EdgeSparseVectorParams()},
        hnsw_config=es.HnswIndexConfig(16, 100, 1),
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=10),
    )
    with es.EdgeShard.create(tmp_path_factory.mktemp("recall") / "shard", config) as opened:
        payloads = [{"even": point % 2 == 0} for point in range(POINTS)]
        opened.update(OPS.upsert_batch(np.arange(POINTS, dtype=np.uint64), rows_of(POINTS, 1), payloads))
        points = [es.Point(POINTS + n, {"several": rows_of(3, n)[:, :4].tolist()}, {}) for n in range(40)]
        opened.update(OPS.upsert_points(points))
        opened.optimize()
        opened.measure_recall(100)  # from now on the graph is walked on codes
        yield opened


def ids(shard: es.EdgeShard, row: np.ndarray, limit: int, **params: object) -> list[object]:
    request = es.QueryRequest(query=es.Query.Nearest(row), limit=limit, params=es.SearchParams(**params))
    return [hit.id for hit in shard.query(request)]


@pytest.mark.parametrize("ef", [12, 40])
def test_it_counts_what_queries_find(shard: es.EdgeShard, ef: int) -> None:
    queries = rows_of(60, 2)
    report = shard.measure_recall(queries, limit=10, ef=ef)
    shares = [len(set(ids(shard, row, 10, exact=True)) & set(ids(shard, row, 10, hnsw_ef=ef))) / 10 for row in queries]
    np.testing.assert_allclose(report.per_query, shares, rtol=1e-6)
    assert report.recall == pytest.approx(np.mean(shares))
    assert report.minimum == pytest.approx(min(shares))
    assert report.quantiles[0.5] == pytest.approx(np.quantile(shares, 0.5))
    assert (report.queries, report.limit, report.ef) == (60, 10, ef)
    assert report.approximate_ms > 0
    assert report.exact_ms > 0


def test_more_effort_finds_more(shard: es.EdgeShard) -> None:
    low, high = (shard.measure_recall(200, ef=ef).recall for ef in (10, 200))
    assert low < high
    assert high > 0.98


def test_a_sample_is_the_same_for_a_seed(shard: es.EdgeShard) -> None:
    first, again, other = (shard.measure_recall(50, ef=10, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.per_query, again.per_query)
    assert not np.array_equal(first.per_query, other.per_query)


def test_the_point_itself_does_not_count(tmp_path: Path) -> None:
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=DIM, distance=es.Distance.Euclid))
    with es.EdgeShard.create(tmp_path / "shard", config) as small:
        rows = rows_of(2, 1)
        small.update(OPS.upsert_batch(np.arange(2, dtype=np.uint64), rows))
        found, scores = small.query_arrays(rows[0], limit=1)
        assert (found[0], scores[0]) == (0, 0)
        report = small.measure_recall(2, limit=5)
        assert (report.queries, report.recall) == (2, 1.0)


def test_with_a_filter_and_without_a_graph(shard: es.EdgeShard) -> None:
    even = es.Filter(must=[es.FieldCondition("even", match=es.MatchValue(True))])
    report = shard.measure_recall(20, filter=even, ef=100)
    assert report.recall > 0.9
    assert report.ef == 100
    several = shard.measure_recall(10, using="several", limit=5)
    assert several.recall == 1.0
    assert shard.measure_recall(10_000, using="several", limit=5).queries == 40


def test_wrong_arguments(shard: es.EdgeShard) -> None:
    with pytest.raises(es.WrongVectorKindError):
        shard.measure_recall(using="words")
    with pytest.raises(es.VectorNameNotFoundError):
        shard.measure_recall(using="nothing")
    with pytest.raises(es.ValidationError, match="sample must be at least 1, not 0"):
        shard.measure_recall(0)
    with pytest.raises(es.ValidationError, match="at least one query"):
        shard.measure_recall(rows_of(0, 1))
    with pytest.raises(es.ValidationError, match="limit must be at least 1"):
        shard.measure_recall(10, limit=0)
    with pytest.raises(es.VectorDimensionError):
        shard.measure_recall(np.ones((3, DIM + 1), np.float32))


def test_an_empty_shard_has_no_sample(tmp_path: Path) -> None:
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(size=4, distance=es.Distance.Dot))
    with (
        es.EdgeShard.create(tmp_path / "shard", config) as empty,
        pytest.raises(es.ValidationError, match="no vectors"),
    ):
        empty.measure_recall()


def test_from_the_command_line(shard: es.EdgeShard, capsys: pytest.CaptureFixture[str]) -> None:
    shard.flush()
    assert main(["recall", str(shard.path), "--sample", "20", "--ef", "64"]) == 0
    out = capsys.readouterr().out
    assert "recall@10" in out
    assert "(20 queries, ef 64)" in out
