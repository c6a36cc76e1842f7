"""Facets, orderings and text queries: which index they need, and answers after changes."""

from __future__ import annotations

import pytest

import edgeshard
from edgeshard import (
    Direction,
    EdgeConfig,
    EdgeShard,
    EdgeVectorParams,
    FacetRequest,
    FieldCondition,
    Filter,
    MatchValue,
    OrderBy,
    PayloadSchemaType,
    Point,
    QueryRequest,
    ScrollRequest,
    TextIndexParams,
    TextQuery,
    TokenizerType,
    UpdateOperation,
)

SCORED = TextIndexParams(tokenizer=TokenizerType.Word, scoring=True)
UPPER = "12345678-90AB-CDEF-0000-000000000001"


@pytest.fixture
def shard(tmp_path):
    vectors = EdgeVectorParams(size=1, distance=edgeshard.Distance.Dot)
    opened = EdgeShard.create(str(tmp_path / "shard"), EdgeConfig(vectors=vectors))
    payloads = [
        {"k": "a", "n": 3, "t": "red fox", "u": UPPER},
        {"k": ["a", "a", "b"], "n": [1, 1, 5], "t": ["red red", "dog"], "u": UPPER.lower()},
        {"k": "b", "n": 2.0, "t": "", "u": "no"},
        {"k": 7, "n": "2", "t": 5},
    ]
    opened.update(UpdateOperation.upsert_points([Point(i, [1.0], payload) for i, payload in enumerate(payloads, 1)]))
    yield opened
    opened.close()


def index(shard, field, schema):
    shard.update(UpdateOperation.create_field_index(field, schema))


def facet(shard, field, **options):
    return [(hit.value, hit.count) for hit in shard.facet(FacetRequest(field, **options)).hits]


def ordered(shard, *arguments):
    records, following = shard.scroll(ScrollRequest(limit=10, order_by=OrderBy(*arguments)))
    assert following is None
    return [(record.id, record.order_value) for record in records]


def test_facet_counts_points_not_occurrences(shard):
    with pytest.raises(edgeshard.errors.IndexNotFoundError, match="No appropriate index for faceting"):
        facet(shard, "k")
    index(shard, "k", PayloadSchemaType.Keyword)
    assert facet(shard, "k") == [("a", 2), ("b", 2)]
    assert facet(shard, "k", limit=1) == [("a", 2)]
    assert facet(shard, "k", limit=0) == []
    first = Filter(must=[FieldCondition("n", match=MatchValue(3))])
    assert facet(shard, "k", filter=first) == [("a", 1)]
    shard.update(UpdateOperation.set_payload([3, 4], {"k": "z"}))
    shard.update(UpdateOperation.delete_points([1]))
    assert facet(shard, "k") == [("z", 2), ("a", 1), ("b", 1)]


def test_facet_of_numbers_and_uuids(shard):
    index(shard, "n", PayloadSchemaType.Integer)
    index(shard, "u", PayloadSchemaType.Uuid)
    assert facet(shard, "n") == [(1, 1), (2, 1), (3, 1), (5, 1)]
    assert facet(shard, "u") == [(UPPER.lower(), 2)]


def test_uuid_index_compares_numbers(shard):
    def found():
        test = FieldCondition("u", match=MatchValue(UPPER.replace("-", "")))
        return [record.id for record in shard.scroll(ScrollRequest(filter=Filter(must=[test])))[0]]

    assert found() == []
    index(shard, "u", PayloadSchemaType.Uuid)
    assert found() == [1, 2]


def test_order_shows_each_value_once_per_point(shard):
    with pytest.raises(edgeshard.errors.IndexNotFoundError, match="No range index for `order_by`"):
        ordered(shard, "n")
    index(shard, "n", PayloadSchemaType.Integer)
    assert ordered(shard, "n") == [(2, 1), (3, 2), (1, 3), (2, 5)]
    assert ordered(shard, "n", Direction.Desc) == [(2, 5), (1, 3), (3, 2), (2, 1)]
    assert ordered(shard, "n", Direction.Asc, 2) == [(3, 2), (1, 3), (2, 5)]
    assert ordered(shard, "n", Direction.Desc, 2.5) == [(3, 2), (2, 1)]
    shard.update(UpdateOperation.set_payload([2], {"n": 9}))
    assert ordered(shard, "n") == [(3, 2), (1, 3), (2, 9)]


def test_text_query_needs_scoring_and_sane_parameters(shard):
    query = QueryRequest(limit=10, query=TextQuery("t", "red"))
    with pytest.raises(edgeshard.errors.IndexNotFoundError, match="BM25 requires a text index on field t"):
        shard.query(query)
    index(shard, "t", PayloadSchemaType.Text)
    with pytest.raises(edgeshard.errors.IndexNotFoundError, match="does not score"):
        shard.query(query)
    index(shard, "t", SCORED)
    with pytest.raises(edgeshard.errors.ValidationError, match="BM25 b"):
        shard.query(QueryRequest(limit=10, query=TextQuery("t", "red", edgeshard.Bm25Params(b=2.0))))


def test_text_query_ranks_by_frequency_and_length(shard):
    index(shard, "t", SCORED)
    found = shard.query(QueryRequest(limit=10, query=TextQuery("t", "red red cat")))
    scores = {point.id: point.score for point in found}
    # Two documents of 2 and 3 tokens, both with "red": idf = ln(1 + 0.5 / 2.5), average 2.5.
    idf = 0.1823215568
    assert scores[1] == pytest.approx(idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 2.5)))
    assert scores[2] == pytest.approx(idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2.5)))
    assert shard.query(QueryRequest(limit=10, query=TextQuery("t", "cat !"))) == []
    shard.update(UpdateOperation.delete_points([2]))
    assert [point.id for point in shard.query(QueryRequest(limit=10, query=TextQuery("t", "red")))] == [1]
    shard.update(UpdateOperation.set_payload([3], {"t": "red"}))
    assert [point.id for point in shard.query(QueryRequest(limit=10, query=TextQuery("t", "red")))] == [3, 1]
