"""Grouped queries, matrices, arrays, sorting, explanations: each against what plain queries say."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as m

COUNT = 300


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[m.EdgeShard]:
    """Points in two segments with a brand, prices and dates."""
    config = m.EdgeConfig(
        vectors={
            "": m.EdgeVectorParams(8, m.Distance.Cosine),
            "e": m.EdgeVectorParams(4, m.Distance.Euclid),
            "multi": m.EdgeVectorParams(
                4, m.Distance.Dot, multivector_config=m.MultiVectorConfig(m.MultiVectorComparator.MaxSim)
            ),
        },
        sparse_vectors={"s": m.EdgeSparseVectorParams()},
    )
    shard = m.EdgeShard.create(tmp_path_factory.mktemp("beyond") / "shard", config)
    rng = random.Random(5)
    for start in (0, 200):
        points = [point(rng, number) for number in range(start, min(start + 200, COUNT))]
        shard.update(m.UpdateOperation.upsert_points(points))
        if not start:
            shard.optimize()
    yield shard
    shard.close()


def point(rng: random.Random, number: int) -> m.Point:
    row = [rng.uniform(-1, 1) for _ in range(16)]
    payload: dict[str, Any] = {"brand": f"b{number % 7}", "price": rng.randint(0, 20)}
    if number % 5 == 0:
        payload["brand"] = [payload["brand"], "shared", "shared"]
    if number % 11 == 0:
        payload = {"when": f"2024-01-{number % 28 + 1:02}", "brand": 3}
    vectors = {
        "": row[:8],
        "e": row[8:12],
        "multi": [row[12:16], row[8:12]],
        "s": m.SparseVector([number % 9, 20], [1.0, row[0]]),
    }
    return m.Point(number, vectors, payload)


def vector(seed: int = 1, size: int = 8) -> list[float]:
    rng = random.Random(seed)
    return [rng.uniform(-1, 1) for _ in range(size)]


def test_groups_are_the_ranking_split_by_value(shard: m.EdgeShard) -> None:
    query = m.QueryRequest(limit=1, query=m.Query.Nearest(vector()), with_payload=["brand"])
    groups = shard.query_groups(m.GroupRequest(query, "brand", limit=5, group_size=4))
    ranking = shard.query(m.QueryRequest(limit=COUNT, query=m.Query.Nearest(vector()), with_payload=["brand"]))
    wanted: dict[Any, list[Any]] = {}
    for found in ranking:
        values = found.payload["brand"]
        for value in dict.fromkeys(values if isinstance(values, list) else [values]):
            wanted.setdefault(value, []).append(found)
    assert [group.id for group in groups] == list(wanted)[:5]
    for group in groups:
        assert group.hits == wanted[group.id][:4]
        assert len(group) == 4
        assert list(group) == group.hits


def test_groups_take_fusion_and_filters(shard: m.EdgeShard) -> None:
    prefetches = [
        m.Prefetch(40, m.Query.Nearest(vector())),
        m.Prefetch(40, m.Query.Nearest(m.SparseVector([20], [1.0]), "s")),
    ]
    cheap = m.Filter(must=[m.FieldCondition("price", range=m.RangeFloat(lt=10))])
    query = m.QueryRequest(limit=10, query=m.Fusion.Rrf(2), prefetches=prefetches, filter=cheap, with_payload=True)
    groups = shard.query_groups(m.GroupRequest(query, "brand", limit=100, group_size=100))
    plain = m.QueryRequest(100, query=m.Fusion.Rrf(2), prefetches=prefetches, filter=cheap)
    fused = {found.id for found in shard.query(plain)}
    assert {found.id for group in groups for found in group.hits} == fused
    assert all(found.payload["price"] < 10 for group in groups for found in group.hits)


def test_no_groups(shard: m.EdgeShard) -> None:
    query = m.QueryRequest(limit=1, query=m.Query.Nearest(vector()))
    assert shard.query_groups(m.GroupRequest(query, "missing")) == []
    assert shard.query_groups(m.GroupRequest(query, "brand", limit=0)) == []
    with pytest.raises(m.ValidationError, match="without an offset"):
        m.GroupRequest(m.QueryRequest(limit=1, offset=3), "brand")


@pytest.mark.parametrize("using", [None, "e", "multi", "s"])
def test_matrix_agrees_with_queries(shard: m.EdgeShard, using: str | None) -> None:
    matrix = shard.search_matrix_offsets(m.SearchMatrixRequest(30, 4, using=using))
    assert len(set(matrix.ids)) == 30
    assert len(matrix.scores) == len(matrix.offsets_row) == len(matrix.offsets_col) == 120
    row = matrix.ids[0]
    stored = shard.retrieve([row], False, [using or ""])[0].vector
    example = stored[using or ""] if isinstance(stored, dict) else stored
    sample = m.Filter(must=[m.HasIdCondition(set(matrix.ids) - {row})])
    nearest = m.QueryRequest(limit=4, query=m.Query.Nearest(example, using), filter=sample)
    expected = {found.id: found.score for found in shard.query(nearest)}
    mine = {
        matrix.ids[column]: score
        for at, column, score in zip(matrix.offsets_row, matrix.offsets_col, matrix.scores, strict=True)
        if at == 0
    }
    assert list(mine.values()) == pytest.approx(list(expected.values()), rel=1e-5, abs=1e-5)


def test_sparse_points_without_a_common_index_are_no_pairs(tmp_path: Path) -> None:
    config = m.EdgeConfig(sparse_vectors={"s": m.EdgeSparseVectorParams()})
    with m.EdgeShard.create(tmp_path, config) as shard:
        points = [m.Point(n, {"s": m.SparseVector([n % 2, 10 + n], [1.0, 2.0])}, {}) for n in range(1, 5)]
        points.append(m.Point(9, {"s": m.SparseVector([99], [1.0])}, {}))
        shard.update(m.UpdateOperation.upsert_points(points))
        pairs = shard.search_matrix_pairs(m.SearchMatrixRequest(10, 4, using="s"))
    assert {(pair.a, pair.b, pair.score) for pair in pairs} == {(1, 3, 1.0), (3, 1, 1.0), (2, 4, 1.0), (4, 2, 1.0)}


def test_matrix_pairs(shard: m.EdgeShard) -> None:
    brand = m.Filter(must=[m.FieldCondition("brand", match=m.MatchValue("b1"))])
    pairs = shard.search_matrix_pairs(m.SearchMatrixRequest(10, 3, brand))
    matching = {r.id for r in shard.scroll(m.ScrollRequest(limit=COUNT, filter=brand))[0]}
    assert len(pairs) == 30
    assert all(pair.a != pair.b and {pair.a, pair.b} <= matching for pair in pairs)
    assert shard.search_matrix_pairs(m.SearchMatrixRequest(1, 3)) == []


@pytest.mark.parametrize("using", [None, "e", "multi"])
def test_arrays_hold_what_queries_return(shard: m.EdgeShard, using: str | None) -> None:
    size = 8 if using is None else 4
    matrix = np.array([vector(seed, size) for seed in range(20)])
    cheap = m.Filter(must=[m.FieldCondition("price", range=m.RangeFloat(lt=10))])
    ids, scores = shard.query_arrays(matrix, limit=7, using=using, filter=cheap)
    assert (ids.dtype, scores.dtype, ids.shape, scores.shape) == (np.uint64, np.float32, (20, 7), (20, 7))
    for row, some_ids, some_scores in zip(matrix, ids, scores, strict=True):
        found = shard.query(m.QueryRequest(7, query=m.Query.Nearest(row, using), filter=cheap))
        assert [point.id for point in found] == some_ids.tolist()
        assert [point.score for point in found] == pytest.approx(some_scores.tolist(), rel=1e-5)
    one_ids, one_scores = shard.query_arrays(matrix[0], limit=7, using=using, filter=cheap)
    assert one_ids.tolist() == ids[0].tolist()
    assert one_scores.tolist() == pytest.approx(scores[0].tolist())


def test_short_rows_are_filled_up(shard: m.EdgeShard) -> None:
    matrix = np.array([vector(seed) for seed in range(4)])
    ids, scores = shard.query_arrays(matrix, limit=50, score_threshold=0.6)
    counts = (~np.isnan(scores)).sum(axis=1)
    assert counts.max() == ids.shape[1] > counts.min()
    assert (ids[np.isnan(scores)] == np.uint64(2**64 - 1)).all()
    assert (scores[~np.isnan(scores)] > 0.6).all()
    empty_ids, empty_scores = shard.query_arrays(np.zeros((0, 8)), limit=3)
    assert empty_ids.shape == empty_scores.shape == (0, 0)
    no_ids, no_scores = shard.query_arrays(matrix[:1], limit=3, score_threshold=2.0)
    assert no_ids.shape == no_scores.shape == (1, 0)


def test_arrays_with_uuids(tmp_path: Path) -> None:
    config = m.EdgeConfig(vectors=m.EdgeVectorParams(2, m.Distance.Dot))
    key = uuid.UUID(int=77)
    with m.EdgeShard.create(tmp_path / "shard", config) as shard:
        shard.update(m.UpdateOperation.upsert_points([m.Point(1, [1, 0]), m.Point(key, [0, 1])]))
        ids, scores = shard.query_arrays([[1.0, 0.5], [0.0, 1.0]], limit=1)
        assert ids.tolist() == [[1], [key]]
        assert scores.tolist() == [[1.0], [1.0]]


def test_a_batch_that_shares_a_pass_answers_each(shard: m.EdgeShard) -> None:
    cheap = m.Filter(must=[m.FieldCondition("price", range=m.RangeFloat(lt=10))])
    requests = [
        m.QueryRequest(
            limit=3 + seed % 2,
            query=m.Query.Nearest(vector(seed)),
            filter=cheap if seed % 3 else None,
            offset=seed % 2,
            with_payload=seed % 4 == 0,
            score_threshold=0.2 if seed % 5 else None,
        )
        for seed in range(20)
    ]
    requests.append(m.QueryRequest(limit=2, query=m.Query.Nearest(m.SparseVector([3], [1.0]), "s")))
    assert shard.query_batch(m.QueryBatchRequest(requests)) == [shard.query(request) for request in requests]


def test_points_of_a_batch_are_made_together(tmp_path: Path) -> None:
    """As one by one: other filters and parameters that are equal, selections of several kinds, more than a page."""
    rng = random.Random(6)
    config = m.EdgeConfig(vectors={"": m.EdgeVectorParams(8, m.Distance.Cosine)})
    kinds: list[dict[str, Any]] = [{}, {"with_payload": ["brand"]}, {"with_payload": True}, {"with_vector": True}]
    with m.EdgeShard.create(tmp_path / "shard", config) as shard:
        points = [m.Point(number, vector(number), {"brand": str(number), "n": number}) for number in range(200)]
        shard.update(m.UpdateOperation.upsert_points(points))
        requests = [
            m.QueryRequest(
                limit=rng.choice([1, 20, 20, 20]),
                query=m.Query.Nearest(vector(seed)),
                offset=rng.choice([None, None, 3, 500]),
                score_threshold=rng.choice([None, None, 0.4, 2.0]),
                params=m.SearchParams(exact=True) if seed % 2 else None,
                **kinds[seed // 90 % 4],
            )
            for seed in range(400)
        ]
        alone = [shard.query(request) for request in requests]
        assert shard.query_batch(m.QueryBatchRequest(requests)) == alone
        assert sum(map(len, alone)) > 3000
        wrong = m.QueryRequest(3, query=m.Query.Nearest(vector(1)), with_vector=["other"])
        with pytest.raises(m.VectorNameNotFoundError, match="other"):
            shard.query_batch(m.QueryBatchRequest([*requests, wrong]))


def test_sorting_after_fusion(shard: m.EdgeShard) -> None:
    prefetches = [m.Prefetch(20, m.Query.Nearest(vector(seed))) for seed in (1, 2)]
    request = m.QueryRequest(20, query=m.Fusion.Rrf(2), prefetches=prefetches, with_payload=True)
    ranked = shard.query(request)
    cheapest = shard.query(request, sort_by=m.OrderBy("price"))
    prices = [found.order_value for found in cheapest]
    known = [price for price in prices if price is not None]
    assert known == sorted(known)
    assert prices == known + [None] * (20 - len(known))
    assert {found.id: found.score for found in cheapest} == {found.id: found.score for found in ranked}
    assert [found.payload.get("price") for found in cheapest] == prices
    dearest = shard.query(request, sort_by=m.OrderBy("price", m.Direction.Desc))
    assert [found.order_value for found in dearest if found.order_value is not None] == known[::-1]
    places = {found.id: place for place, found in enumerate(ranked)}
    for page in (cheapest, dearest):  # equal values keep their rank
        for one, other in pairwise(page):
            assert one.order_value != other.order_value or places[one.id] < places[other.id]
    with pytest.raises(m.ValidationError, match="start_from"):
        shard.query(request, sort_by=m.OrderBy("price", start_from=3))


def test_explanation(shard: m.EdgeShard) -> None:
    cheap = m.Filter(must=[m.FieldCondition("price", range=m.RangeFloat(lt=10))])
    prefetches = [
        m.Prefetch(20, m.Query.Nearest(vector()), filter=cheap),
        m.Prefetch(10, m.Query.Nearest(m.SparseVector([3], [1.0]), "s")),
    ]
    plan = shard.explain(m.QueryRequest(5, query=m.Fusion.Rrf(2), prefetches=prefetches))
    assert (plan.stage, plan.hits, plan.limit) == ("fusion rrf", 5, 5)
    dense, sparse = plan.prefetches
    assert (dense.stage, dense.hits, sparse.stage) == ("nearest", 20, "nearest using 's'")
    assert sum(segment.cardinality for segment in dense.segments) == shard.count(m.CountRequest(filter=cheap))
    assert sum(segment.points for segment in dense.segments) == COUNT
    assert {segment.strategy for segment in dense.segments} == {"filtered scan"}
    assert 0 < dense.milliseconds < plan.milliseconds
    assert plan.draw().count("\n") == 2 + len(dense.segments) + len(sparse.segments)


def test_explanation_of_a_text_query(tmp_path: Path) -> None:
    with m.EdgeShard.create(tmp_path, m.EdgeConfig(vectors=m.EdgeVectorParams(2, m.Distance.Dot))) as shard:
        points = [m.Point(i, [1.0, 2.0], {"text": f"word w{i % 3}", "i": i}) for i in range(30)]
        shard.update(m.UpdateOperation.upsert_points(points))
        index = m.TextIndexParams(scoring=m.TextScoringParams())
        shard.update(m.UpdateOperation.create_field_index("text", index))
        low = m.Filter(must=[m.FieldCondition("i", range=m.RangeFloat(lt=10))])
        plan = shard.explain(m.QueryRequest(5, query=m.TextQuery("text", "w1"), filter=low))
        assert (plan.stage, plan.hits) == ("textquery", 3)
        (segment,) = plan.segments
        assert (segment.strategy, segment.points, segment.cardinality, segment.scored) == ("index", 30, 10, None)
        (whole,) = shard.explain(m.QueryRequest(5, query=m.TextQuery("text", "w1"))).segments
        assert whole.cardinality == 30
