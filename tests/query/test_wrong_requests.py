"""Wrong requests: each is refused with an exception of the tree that says what was wrong and what would be right."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import edgeshard as m
from edgeshard import errors

NAN = float("nan")


class NoArray:
    def __array__(self, *arguments: Any, **settings: Any) -> Any:
        raise RuntimeError("no array here")


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[m.EdgeShard]:
    maxsim = m.MultiVectorConfig(m.MultiVectorComparator.MaxSim)
    config = m.EdgeConfig(
        vectors={
            "": m.EdgeVectorParams(4, m.Distance.Dot),
            "multi": m.EdgeVectorParams(2, m.Distance.Dot, multivector_config=maxsim),
        },
        sparse_vectors={"s": m.EdgeSparseVectorParams()},
    )
    shard = m.EdgeShard.create(tmp_path_factory.mktemp("wrong") / "shard", config)
    points = [
        m.Point(n, {"": [n, 1, 0, 0], "multi": [[1, n]], "s": m.SparseVector([n], [1.0])}, {"n": n, "t": "a b"})
        for n in range(20)
    ]
    shard.update(m.UpdateOperation.upsert_points(points))
    shard.update(m.UpdateOperation.create_field_index("k", m.PayloadSchemaType.Keyword))
    shard.update(m.UpdateOperation.create_field_index("t", m.PayloadSchemaType.Text))
    lookup = m.IntegerIndexParams(lookup=True, range=False)
    shard.update(m.UpdateOperation.create_field_index("n", lookup))
    yield shard
    shard.close()


def nearest(vector: Any, using: str | None = None) -> m.QueryRequest:
    return m.QueryRequest(limit=3, query=m.Query.Nearest(vector, using))


def over(query: Any, *below: Any) -> m.QueryRequest:
    return m.QueryRequest(limit=3, query=query, prefetches=list(below))


def formula(expression: Any, **defaults: Any) -> m.QueryRequest:
    return over(m.Formula(expression, defaults), m.Prefetch(5, m.Query.Nearest([1, 0, 0, 0])))


def deep(levels: int) -> m.QueryRequest:
    stage = m.Prefetch(5, m.Query.Nearest([1, 0, 0, 0]))
    for _ in range(levels - 1):
        stage = m.Prefetch(5, m.Query.Nearest([1, 0, 0, 0]), [stage])
    return over(m.Query.Nearest([1, 0, 0, 0]), stage)


PF = m.Prefetch(5, m.Query.Nearest([1, 0, 0, 0]))
E = m.Expression
IDF = m.SearchParams(idf=m.IdfParams())
SPARSE = m.SparseVector([1], [1.0])
Ask = Callable[[m.EdgeShard], Any]
DIM, KIND = m.VectorDimensionError, m.WrongVectorKindError
NAME, INDEX, BAD = m.VectorNameNotFoundError, m.IndexNotFoundError, m.ValidationError

REFUSED: list[tuple[str, Ask, type[Exception], str]] = [
    ("too short", lambda s: s.query(nearest([1, 2])), DIM, "expected dim: 4, got 2"),
    ("too long", lambda s: s.query(nearest([1] * 5)), DIM, "expected dim: 4, got 5"),
    ("empty", lambda s: s.query(nearest([])), DIM, "expected dim: 4, got 0"),
    ("multi too short", lambda s: s.query(nearest([[1]], "multi")), DIM, "expected dim: 2, got 1"),
    ("unknown vector", lambda s: s.query(nearest([1], "x")), NAME, "This shard has: the unnamed vector, 'multi', 's'"),
    ("sparse for dense", lambda s: s.query(nearest(SPARSE)), KIND, "dense field needs a dense query"),
    ("dense for sparse", lambda s: s.query(nearest([1.0], "s")), KIND, "needs a SparseVector"),
    ("multi for dense", lambda s: s.query(nearest([[1, 2, 3, 4]])), KIND, "dense field needs a dense query"),
    ("sparse for multi", lambda s: s.query(nearest(SPARSE, "multi")), KIND, "needs dense rows"),
    ("MMR of sparse", lambda s: s.query(over(m.Mmr(SPARSE, 0.5, 5, "s"))), KIND, "MMR needs dense"),
    ("MMR too short", lambda s: s.query(over(m.Mmr([1.0], 0.5, 5), PF)), DIM, "expected dim: 4, got 1"),
    ("example too short",
     lambda s: s.query(over(m.Query.Context(m.ContextQuery([m.ContextPair([1], [2])])))), DIM, "4"),
    ("rescoring too short", lambda s: s.query(over(m.Query.Nearest([1.0]), PF)), DIM, "expected dim: 4, got 1"),
    ("fusion alone", lambda s: s.query(over(m.Fusion.Rrf(2))), BAD, "cannot apply Fusion without prefetches"),
    ("formula alone", lambda s: s.query(over(m.Formula(E.Constant(1)))), BAD, "Formula without prefetches"),
    ("no query", lambda s: s.query(m.QueryRequest(3, prefetches=[PF])), BAD, "prefetches without a query"),
    ("no query inside", lambda s: s.query(over(m.Fusion.Dbsf(), m.Prefetch(3, None, [PF]))), BAD, "without a query"),
    ("text over prefetches", lambda s: s.query(over(m.TextQuery("t", "a"), PF)), BAD, "make it a prefetch itself"),
    ("weights", lambda s: s.query(over(m.Fusion.Rrf(2, [1, 2]), PF)), BAD, r"length \(2\).*prefetches \(1\)"),
    ("too deep", lambda s: s.query(deep(65)), BAD, "depth 65 exceeds max depth 64"),
    ("idf of dense",
     lambda s: s.query(m.QueryRequest(3, query=m.Query.Nearest([1] * 4), params=IDF)), BAD, "with the .idf. modifier"),
    ("order without index",
     lambda s: s.query(over(m.OrderBy("x"))), INDEX, "an integer .with range., float or datetime"),
    ("order by keyword", lambda s: s.query(over(m.OrderBy("k"))), INDEX, "No range index for `order_by` key: `k`"),
    ("order without range", lambda s: s.query(over(m.OrderBy("n"), PF)), INDEX, "No range index"),
    ("scroll without index", lambda s: s.scroll(m.ScrollRequest(order_by=m.OrderBy("x"))), INDEX, "No range index"),
    ("ordered page",
     lambda s: s.scroll(m.ScrollRequest(offset=1, order_by=m.OrderBy("n"))), BAD, "Offset is not supported"),
    ("facet without index", lambda s: s.facet(m.FacetRequest("x")), INDEX, "x"),
    ("text without index", lambda s: s.query(over(m.TextQuery("x", "a"))), INDEX, "x"),
    ("text without scoring", lambda s: s.query(over(m.TextQuery("t", "a"))), m.EdgeShardError, "scoring"),
    ("text by keyword", lambda s: s.query(over(m.TextQuery("k", "a"))), m.EdgeShardError, "text"),
    ("missing value",
     lambda s: s.query(formula(E.Variable("x"))), BAD, "point .*: x has no value and the formula no default"),
    ("text as number", lambda s: s.query(formula(E.Variable("t"))), BAD, "t is 'a b', a number is needed"),
    ("number as date", lambda s: s.query(formula(E.DatetimeKey("n"))), BAD, "a date as text is needed"),
    ("text as date", lambda s: s.query(formula(E.DatetimeKey("t"))), BAD, "failed to parse date-time"),
    ("text as place", lambda s: s.query(formula(E.GeoDistance(m.GeoPoint(0, 0), "t"))), BAD, "numbers lon and lat"),
    ("division by zero",
     lambda s: s.query(formula(E.Div(E.Constant(1), E.Constant(0), None))), BAD, "by_zero_default"),
    ("root of -1", lambda s: s.query(formula(E.Sqrt(E.Constant(-1)))), BAD, "not a finite number"),
    ("log of 0", lambda s: s.query(formula(E.Ln(E.Constant(0)))), BAD, "not a finite number"),
    ("overflow", lambda s: s.query(formula(E.Exp(E.Constant(1e4)))), BAD, "not a finite number"),
    ("float32 overflow", lambda s: s.query(formula(E.Constant(1e300))), BAD, "not a finite number"),
    ("unknown with_vector", lambda s: s.query(m.QueryRequest(3, with_vector=["x"])), NAME, "x"),
    ("unknown with_vector of ids", lambda s: s.retrieve([1], True, ["x"]), NAME, "x"),
    ("one of a batch", lambda s: s.query_batch(m.QueryBatchRequest([nearest([1] * 4), nearest([1])])), DIM, "got 1"),
    ("search of fusion", lambda s: s.search(m.SearchRequest(m.Fusion.Rrf(2), 3)), TypeError, "expected Query, got"),
    ("sorting from",
     lambda s: s.query(nearest([1] * 4), sort_by=m.OrderBy("n", start_from=1)), BAD, "without start_from"),
    ("grouping a page",
     lambda s: s.query_groups(m.GroupRequest(m.QueryRequest(3, 1), "n")), BAD, "without an offset"),
    ("matrix of nothing", lambda s: s.search_matrix_pairs(m.SearchMatrixRequest(using="x")), NAME, "This shard has"),
    ("array too wide", lambda s: s.query_arrays(np.zeros((2, 5)), limit=3), DIM, "expected dim: 4, got 5"),
    ("array of texts", lambda s: s.query_arrays(["a"], limit=3), TypeError, r"shape \(dim,\) or \(q, dim\)"),
    ("no array", lambda s: s.query_arrays(NoArray(), limit=3), TypeError, "NoArray cannot be made an array"),
    ("array of NaN", lambda s: s.query_arrays([NAN] * 4, limit=3), BAD, "finite numbers"),
    ("array for sparse", lambda s: s.query_arrays([1.0], limit=3, using="s"), KIND, "query_batch"),
    ("negative limit",
     lambda s: s.query(m.QueryRequest(limit=-1)), OverflowError, "limit: expected an integer from 0"),
    ("limit of text", lambda s: s.query(m.QueryRequest(limit="3")), TypeError, "limit: expected an integer, got str"),
    ("bad path", lambda s: s.facet(m.FacetRequest("a..b")), errors.ValueError, "invalid JSON path 'a..b'"),
    ("bad date", lambda s: m.RangeDateTime(gte="yesterday"), errors.ValueError, "failed to parse date-time"),
    ("bad start", lambda s: m.OrderBy("n", start_from="soon"), errors.ValueError, "failed to parse date-time"),
    ("bad id", lambda s: s.retrieve(["x"]), errors.ValueError, "UUID"),
    ("bad coordinates", lambda s: m.GeoPoint(200, 0), errors.ValueError, "within"),
    ("open ring",
     lambda s: m.GeoPolygon([m.GeoPoint(0, n) for n in range(4)], []), errors.ValueError, "first and the last"),
    ("unknown variable", lambda s: m.Formula(E.Variable("$x")), errors.ValueError, "x"),
    ("maximum of nothing", lambda s: m.Formula(E.Max([])), errors.ValueError, "at least one operand"),
    ("bad decay",
     lambda s: m.Formula(E.Decay(m.DecayKind.Lin, E.Constant(1), None, 0.5, 0.0)), errors.ValueError, "scale"),
    ("no request", lambda s: s.query("a"), TypeError, "query: expected QueryRequest, got str"),
    ("a query alone", lambda s: s.query(m.Query.Nearest([1] * 4)), TypeError, "got Query.Nearest"),
    ("no batch", lambda s: s.query_batch([nearest([1] * 4)]), TypeError, "expected QueryBatchRequest, got list"),
    ("no search", lambda s: s.search(nearest([1] * 4)), TypeError, "expected SearchRequest, got QueryRequest"),
    ("a limit for a page", lambda s: s.scroll(10), TypeError, "scroll: expected ScrollRequest, got int"),
    ("a filter for a count", lambda s: s.count(m.Filter()), TypeError, "count: expected CountRequest, got Filter"),
    ("a key for a facet", lambda s: s.facet("k"), TypeError, "facet: expected FacetRequest, got str"),
    ("groups of nothing", lambda s: s.query_groups(None), TypeError, "expected GroupRequest, got NoneType"),
    ("pairs of a dict", lambda s: s.search_matrix_pairs({}), TypeError, "expected SearchMatrixRequest, got dict"),
    ("offsets of a dict", lambda s: s.search_matrix_offsets({}), TypeError, "expected SearchMatrixRequest, got dict"),
    ("explaining a text", lambda s: s.explain("x"), TypeError, "query: expected QueryRequest, got str"),
    ("arrays by a dict",
     lambda s: s.query_arrays([1] * 4, limit=1, filter={}), TypeError, "filter: expected Filter, got dict"),
    ("one id", lambda s: s.retrieve(5), TypeError, "point_ids: expected a list, got int"),
    ("an id as text", lambda s: s.retrieve("5"), TypeError, "point_ids: expected a list, got str"),
    ("vector of nothing", lambda s: m.Point(1, None), TypeError, "vector: expected a list of numbers, got NoneType"),
    ("vectors by number", lambda s: s.retrieve([1], True, 5), TypeError, "with_vector: expected a list, got int"),
    ("vector of objects", lambda s: m.Point(1, [object()]), TypeError, "vector: expected a number in a vector"),
    ("ragged indices", lambda s: m.SparseVector([[1, [2]]], [1.0]), TypeError, "indices: expected a flat list"),
    ("half a pair", lambda s: m.OrderBy("\ud800"), errors.ValueError, "half of a surrogate pair"),
    ("half a name", lambda s: m.UpdateOperation.create_dense_vector("x\ud800", 3, m.Distance.Dot), errors.ValueError,
     "half of a surrogate pair at position 1"),
    ("half a sparse name", lambda s: m.UpdateOperation.create_sparse_vector("\udfff"), errors.ValueError, "_name: "),
    ("half a name in a config", lambda s: m.EdgeConfig(vectors={"\ud800": m.EdgeVectorParams(4, m.Distance.Dot)}),
     errors.ValueError, "vectors: .* half of a surrogate pair"),
    ("half a name of a point", lambda s: m.Point(1, {"\ud800": [1.0]}), errors.ValueError, "vector name"),
    ("half a name to forget", lambda s: m.UpdateOperation.delete_vectors([1], ["\ud800"]), errors.ValueError,
     "vector_names"),
    ("half a value", lambda s: m.MatchValue("\ud800"), errors.ValueError, "value: .* half of a surrogate pair"),
    ("half of any", lambda s: m.MatchAny(["a", "\ud800"]), errors.ValueError, "any: "),
    ("half a text", lambda s: m.MatchText("a\ud800"), errors.ValueError, "position 1"),
    ("half a stop word", lambda s: m.StopwordsSet(custom={"\ud800"}), errors.ValueError, "custom: "),
    ("half a document", lambda s: m.Bm25().embed_document("\ud800"), errors.ValueError, "text: "),
    ("recall of an object", lambda s: s.measure_recall(object()), TypeError, "sample: expected a number of vectors"),
    ("recall of a text", lambda s: s.measure_recall("x"), TypeError, "sample: expected a number of vectors"),
    ("recall of a fraction", lambda s: s.measure_recall(1.5), TypeError, "sample: expected a number of vectors"),
    ("recall of objects", lambda s: s.measure_recall([object()]), TypeError, "sample: expected a number of vectors"),
    ("recall, limit a text", lambda s: s.measure_recall(3, limit="x"), TypeError, "limit: expected an integer"),
    ("recall, seed below 0", lambda s: s.measure_recall(3, seed=-1), OverflowError, "seed: expected an integer"),
    ("half a date", lambda s: m.RangeDateTime(gte="\ud800"), errors.ValueError, "gte: .* half of a surrogate pair"),
    ("no slices", lambda s: m.SliceCondition(0, 0), errors.ValueError, "greater than 0"),
    ("mixed matches", lambda s: m.MatchAny([1, "a"]), TypeError, "str"),
    ("ids as text", lambda s: m.HasIdCondition("12"), TypeError, "point_ids: expected a list, got str"),
    ("an id alone", lambda s: m.HasIdCondition(1), TypeError, "point_ids: expected a list, got int"),
    ("NaN in a payload", lambda s: m.Point(1, [1.0], {"a": NAN}), errors.ValueError, "failed to convert NaN"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "kind", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(shard: m.EdgeShard, ask: Ask, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask(shard)
    if kind not in (TypeError, OverflowError):
        assert isinstance(caught.value, m.EdgeShardError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (type(caught.value), str(caught.value))
    assert [point.id for point in shard.query(nearest([1, 0, 0, 0]))] == [19, 18, 17]
    assert shard.count(m.CountRequest()) == 20


def test_bad_arguments_are_both_kinds_of_value_error() -> None:
    for kind in (ValueError, m.ValidationError, m.EdgeShardError):
        with pytest.raises(kind) as caught:
            m.OrderBy("a..b")
        assert type(caught.value).__name__ == "ValueError"
