"""Small requests, each of a kind that came out differently once: the answers of both engines are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge

import edgeshard


class Case:
    """One engine and an open shard of it: dense vectors of two numbers, and sparse ones.

    Args:
        mod: the engine.
        path: an empty directory.
    """

    def __init__(self, mod: Any, path: Path) -> None:
        self.m, self.path = mod, path
        path.mkdir()
        config = mod.EdgeConfig(
            vectors={"": mod.EdgeVectorParams(2, mod.Distance.Dot)}, sparse_vectors={"s": mod.EdgeSparseVectorParams()}
        )
        self.shard = mod.EdgeShard.create(str(path), config)

    def put(self, *points: tuple[int, Any, Any]) -> None:
        self.shard.update(self.m.UpdateOperation.upsert_points([self.m.Point(*point) for point in points]))

    def scores(self, **request: Any) -> list[tuple[Any, float]]:
        found = self.shard.query(self.m.QueryRequest(limit=9, **request))
        return sorted((hit.id, round(hit.score, 5)) for hit in found)

    def formula(self, expression: Any, defaults: dict[str, Any], *filters: Any) -> list[tuple[Any, float]]:
        nearest = self.m.Query.Nearest([1.0, 0.0])
        prefetches = [self.m.Prefetch(9, query=nearest, filter=one) for one in filters or (None,)]
        return self.scores(prefetches=prefetches, query=self.m.Formula(expression, defaults))


def default_of_a_score(c: Case) -> Any:
    c.put((1, [1.0, 0.0], {}), (2, [2.0, 0.0], {}))
    each = [c.m.Filter(must=[c.m.HasIdCondition({number})]) for number in (1, 2)]
    variable = c.m.Expression.Variable
    return [
        c.formula(variable("$score[0]"), {"$score": 5.0}, *each),
        c.formula(variable("$score"), {"$score[0]": 5.0}, *each),
        c.formula(variable("v"), {'"v"': 8.0}),
    ]


def places_as_lists(c: Case) -> Any:
    distance = c.m.Expression.GeoDistance(c.m.GeoPoint(100, 10), "at")
    c.put((1, [1.0, 0.0], {"at": [100, 10]}), (2, [1.0, 0.0], {"at": {"lon": 100, "lat": 11}}))
    held = c.formula(distance, {})
    c.put((1, [1.0, 0.0], {}))
    return held, c.formula(distance, {"at": [100, 10]})


def several_arrays_for_a_variable(c: Case) -> Any:
    elements: list[list[Any]] = [
        [{"x": []}, {"x": 1}], [{"x": [1]}, {"x": []}], [{"x": []}, {"x": []}], [{"x": [1, 2]}], [{"x": [[1]]}],
        [{"x": 1}, {"x": 2}], [{"x": [1]}, {"x": [2]}], [{"x": [[]]}], [{"x": [None]}, {"x": []}],
        [{}, {"x": [[1, 2]]}],
    ]  # fmt: skip
    c.put(*((i, [1.0, 0.0], {"arr": arr, "p": arr[0].get("x")}) for i, arr in enumerate(elements)))
    refusal = edgeshard.ValidationError if c.m is edgeshard else Exception  # all that 0.9.0 raises
    found = []
    for number in range(len(elements)):
        only = c.m.Filter(must=[c.m.HasIdCondition({number})])
        for path in ("arr[].x", "arr[].x[]", "p", "p[]", "arr[0].x"):
            for expression in (c.m.Expression.Variable(path), c.m.Expression.GeoDistance(c.m.GeoPoint(0, 0), path)):
                try:
                    found.append(c.formula(expression, {path: 7}, only))
                except refusal:
                    found.append("an error")
    return found


def product_with_zero(c: Case) -> Any:
    c.put((1, [1.0, 0.0], {"big": 1e300, "zero": 0}))
    of = c.m.Expression
    parts = [of.Variable("big"), of.Variable("big"), of.Variable("zero"), of.Variable("missing")]
    return c.formula(of.Mult(parts), {})


def thresholds_that_are_no_number(c: Case) -> Any:
    c.put((1, [1.0, 0.0], {}), (2, [2.0, 0.0], {}))
    prefetches = [c.m.Prefetch(9, query=c.m.Query.Nearest([1.0, 0.0]))]
    queries = [c.m.Fusion.Rrf(2), c.m.Fusion.Dbsf(), c.m.Formula(c.m.Expression.Variable("$score"))]
    return [c.scores(prefetches=prefetches, query=query, score_threshold=float("nan")) for query in queries]


def relevance_over_sparse_vectors_as_a_prefetch(c: Case) -> Any:
    c.put(*((i, {"": [1.0, i], "s": c.m.SparseVector([1, 10 + i], [1.0 + i, 1.0])}, {}) for i in range(5)))
    relevance = c.m.Mmr(c.m.SparseVector([1], [1.0]), 0.5, 3, "s")
    return c.scores(query=c.m.Query.Nearest([0.0, 1.0]), prefetches=[c.m.Prefetch(9, query=relevance)])


def an_index_that_finds_nothing(c: Case) -> Any:
    c.put(*((i, [1.0, 0.0], {"n": i} if i % 2 else {}) for i in range(6)))
    schema = c.m.IntegerIndexParams(lookup=False, range=False)
    c.shard.update(c.m.UpdateOperation.create_field_index("n", schema))
    return {field: found.points for field, found in c.shard.info().payload_schema.items()}


def no_vectors_of_one_point(c: Case) -> Any:
    c.put((1, [1.0, 0.0], {}), (2, [1.0, 0.0], {}))
    return [[record.vector for record in c.shard.retrieve(ids, True, [])] for ids in ([1], [1, 2])]


def names_nobody_has_of_no_points(c: Case) -> Any:
    c.put((1, [1.0, 0.0], {}))
    ops, nobody = c.m.UpdateOperation, c.m.Filter(must=[c.m.HasIdCondition({99})])
    return c.shard.update(ops.delete_vectors([], ["x"])), c.shard.update(ops.delete_vectors_by_filter(nobody, ["x"]))


def versions_of_fused_lists(c: Case) -> Any:
    for number in range(6):
        c.put((number, [float(number), 1.0], {"n": number}))
    c.shard.update(c.m.UpdateOperation.create_field_index("n", c.m.PayloadSchemaType.Integer))
    scored = c.m.Prefetch(4, c.m.Query.Nearest([1.0, 0.0]))
    listed, ordered = c.m.Prefetch(4), c.m.Prefetch(4, c.m.OrderBy("n"))
    lists = [[scored, listed], [listed, scored], [ordered, scored], [scored, ordered], [listed, listed, scored]]
    lists.append([c.m.Prefetch(9, c.m.Fusion.Rrf(2), prefetches) for prefetches in lists[:2]])
    requests = [
        c.m.QueryRequest(limit=9, query=fusion, prefetches=prefetches)
        for prefetches in lists
        for fusion in (c.m.Fusion.Rrf(2), c.m.Fusion.Dbsf())
    ]
    return [sorted((hit.id, hit.version, hit.order_value) for hit in c.shard.query(request)) for request in requests]


def fused_scores_to_the_last_digit(c: Case) -> Any:
    last = 2.0**-23  # of numbers from 1 to 2
    rows = [[1 + last * n, 1 + 0.1 * n * n] for n in (0, 1, 2, 3, 5, 6, 9)]
    c.put(*((number, row, {}) for number, row in enumerate(rows)))
    lists = [
        c.m.Prefetch(9, c.m.Query.Nearest(vector)) for vector in ([1.0, 0.0], [0.0, 1.0], [-1.0, 0.3], [1.0, -2.0])
    ]
    fusions = [c.m.Fusion.Dbsf(), c.m.Fusion.Rrf(2), c.m.Fusion.Rrf(60, [0.3, 1.7, 2.9, 0.1])]
    fusions += [c.m.Fusion.Rrf(0, [1e39, 1e-39, 0.0, -1.0]), c.m.Fusion.Rrf(2**40, [1.0, 2.0, 3.0, 1e38])]
    requests = [
        c.m.QueryRequest(limit=9, query=fusion, prefetches=prefetches)
        for fusion, prefetches in [(fusions[0], lists[:1]), *((fusion, lists) for fusion in fusions)]
    ]
    return [sorted((hit.id, hit.score) for hit in c.shard.query(request)) for request in requests]


def versions_after_an_empty_payload_was_set(c: Case) -> Any:
    ops = c.m.UpdateOperation
    c.put((1, [1.0, 0.0], {"n": 1}), (2, [1.0, 0.0], {}), (3, [1.0, 0.0], None))
    versions = []
    for ids, key in (([1, 2, 3], None), ([3], None), ([1, 2], "n"), ([1], "m")):
        c.shard.update(ops.set_payload(ids, {}, key=key))
        hits = c.shard.query(c.m.QueryRequest(limit=9, query=c.m.Query.Nearest([1.0, 0.0]), with_payload=True))
        versions.append(sorted((hit.id, hit.version, str(hit.payload)) for hit in hits))
    return versions


def an_index_with_its_defaults_spelled_out(c: Case) -> Any:
    create, kinds = c.m.UpdateOperation.create_field_index, c.m.PayloadSchemaType
    c.put((1, [1.0, 0.0], {"n": 1}))
    pairs = [
        (kinds.Integer, c.m.IntegerIndexParams()),
        (c.m.IntegerIndexParams(), kinds.Integer),
        (kinds.Text, c.m.TextIndexParams(tokenizer=c.m.TokenizerType.Word)),
        (c.m.TextIndexParams(), kinds.Text),
        (kinds.Text, c.m.TextIndexParams(lowercase=True)),
        (c.m.KeywordIndexParams(), c.m.KeywordIndexParams(on_disk=False)),
    ]
    seen = []
    for number, (first, second) in enumerate(pairs):
        for schema in (first, second):
            c.shard.update(create(f"n{number}", schema))
            params = c.shard.info().payload_schema[f"n{number}"].params
            seen.append(None if params is None else (type(params).__name__, params.on_disk))
    return seen


def places_of_equal_scores_in_an_optimised_segment(c: Case) -> Any:
    c.shard.close()
    config = c.m.EdgeConfig(
        vectors=c.m.EdgeVectorParams(2, c.m.Distance.Dot),
        hnsw_config=c.m.HnswIndexConfig(8, 32, 10_000_000),
        optimizers=c.m.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1),
        max_search_threads=1,
    )
    c.shard = c.m.EdgeShard.create(str(c.path / "graph"), config)
    c.put(*((i, [-1.0 if i % 3 else 0.0, 1.0], {}) for i in range(1, 131)))
    c.shard.optimize()
    answers = []
    for limit in (2, 3, 7, 12, 20):
        for kind in ("Nearest", "Context"):
            against = c.m.ContextQuery([c.m.ContextPair([1.0, 0.0], [0.0, 0.0])])
            query = getattr(c.m.Query, kind)([1.0, 0.0] if kind == "Nearest" else against)
            answers.append(c.scores(query=c.m.Fusion.Rrf(2), prefetches=[c.m.Prefetch(limit, query)]))
    return answers


def query_vectors_of_no_shape(c: Case) -> Any:
    makers: list[Callable[[], Any]] = [
        lambda: c.m.Query.Nearest([[]]),
        lambda: c.m.Query.Nearest([[1.0], [1.0, 2.0]]),
        lambda: c.m.Query.Nearest({1.0, 2.0}),
        lambda: c.m.Mmr([[]], 0.5, 3),
        lambda: c.m.RecommendQuery([[[]]], []),
        lambda: c.m.Point(1, {1.0, 2.0}),
        lambda: c.m.PointVectors(1, {"": {1.0, 2.0}}),
        lambda: c.m.SparseVector({1}, [1.0]),
        lambda: c.m.OrderBy("n", start_from=10**400),
        lambda: c.m.Bm25Config(k=float("nan")),
    ]
    raised = []
    for make in makers:
        with pytest.raises(Exception) as caught:
            make()
        raised.append(caught.type.__name__)
    return raised


def numpy_booleans(c: Case) -> Any:
    yes = np.bool_(True)
    request = c.m.QueryRequest(limit=1, with_vector=yes, with_payload=yes)
    scoring = c.m.TextIndexParams(scoring=yes).scoring
    return request.with_vector, request.with_payload, scoring is not None


def words_asked_of_code(c: Case) -> Any:
    kinds, ops = c.m.TokenizerType, c.m.UpdateOperation
    texts = ["foo bar", "foobar", "fooBar", "bar", "foo_bar_baz", "foobarbaz", "fooBar_baz", "foobar baz", "barFoo"]
    c.put(*((i, [1.0, 0.0], {"t": text}) for i, text in enumerate(texts)))
    answers = []
    for options in ({}, {"min_token_len": 4}, {"phrase_matching": True, "lowercase": False}):
        c.shard.update(ops.create_field_index("t", c.m.TextIndexParams(kinds.Code, scoring=True, **options)))
        for text in ("fooBar", "foobar", "foo_bar", "fooBar_baz", "foobar baz", "xFoo"):
            for match in (c.m.MatchText(text), c.m.MatchTextAny(text), c.m.MatchPhrase(text)):
                only = c.m.Filter(must=[c.m.FieldCondition("t", match=match)])
                answers.append([record.id for record in c.shard.scroll(c.m.ScrollRequest(filter=only))[0]])
            answers.append(sorted(hit[0] for hit in c.scores(query=c.m.TextQuery("t", text))))
    return answers


CASES = [
    default_of_a_score, places_as_lists, several_arrays_for_a_variable, product_with_zero,
    thresholds_that_are_no_number,
    relevance_over_sparse_vectors_as_a_prefetch, an_index_that_finds_nothing, no_vectors_of_one_point,
    names_nobody_has_of_no_points, versions_of_fused_lists, fused_scores_to_the_last_digit,
    versions_after_an_empty_payload_was_set, an_index_with_its_defaults_spelled_out,
    places_of_equal_scores_in_an_optimised_segment, query_vectors_of_no_shape, numpy_booleans, words_asked_of_code,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_small_case(case: Callable[[Case], Any], tmp_path: Path) -> None:
    theirs, ours = (case(Case(mod, tmp_path / mod.__name__)) for mod in (qdrant_edge, edgeshard))
    assert ours == theirs


@pytest.mark.parametrize("options", [{"is_tenant": True}, {}])
def test_a_nested_index_is_of_no_tenant(options: dict[str, bool], tmp_path: Path) -> None:
    for mod, error in ((qdrant_edge, Exception), (edgeshard, edgeshard.ValidationError)):
        shard = Case(mod, tmp_path / mod.__name__).shard
        schema = mod.KeywordIndexParams(nested="a[]", **options)
        change = mod.UpdateOperation.create_field_index("a[].v", schema)
        if options:
            with pytest.raises(error, match="can't be combined"):
                shard.update(change)
        else:
            shard.update(change)


def coded(mod: Any, path: Path, datatype: str, quantization: Any = None) -> Any:
    """An optimised shard of 300 vectors of eight numbers."""
    path.mkdir()
    params = mod.EdgeVectorParams(8, mod.Distance.Dot, datatype=getattr(mod.VectorStorageDatatype, datatype))
    config = mod.EdgeConfig(vectors=params, quantization_config=quantization)
    shard = mod.EdgeShard.create(str(path), config)
    rows = np.random.default_rng(5).standard_normal((300, 8)).astype(np.float32).tolist()
    shard.update(mod.UpdateOperation.upsert_points([mod.Point(i, row, {}) for i, row in enumerate(rows)]))
    shard.optimize()
    return shard


def test_sums_of_scores_over_codes(tmp_path: Path) -> None:
    answers = []
    for mod in (qdrant_edge, edgeshard):
        quantization = mod.ScalarQuantizationConfig(mod.ScalarType.Int8)
        shard = coded(mod, tmp_path / mod.__name__, "Float32", quantization)
        examples = mod.RecommendQuery([[0.5] * 8, [1.0, -1.0] * 4], [[0.25, 0.5] * 4])
        query = mod.Query.RecommendSumScores(examples)
        answers.append({hit.id: hit.score for hit in shard.query(mod.QueryRequest(limit=10, query=query))})
    shared = answers[0].keys() & answers[1].keys()
    assert len(shared) >= 9
    assert all(abs(answers[0][number] - answers[1][number]) < 0.1 for number in shared)


@pytest.mark.parametrize("datatype", ["Turbo4", "Turbo8", "Turbo16"])
def test_relevance_over_turbo_vectors(datatype: str, tmp_path: Path) -> None:
    picked = []
    for mod in (qdrant_edge, edgeshard):
        shard = coded(mod, tmp_path / mod.__name__, datatype)
        request = mod.QueryRequest(limit=5, query=mod.Mmr([1.0, 0.5] * 4, 0.5, 20))
        picked.append([hit.id for hit in shard.query(request)])
    assert picked[0] == picked[1]


@pytest.mark.filterwarnings("error")
def test_differences_of_infinities(tmp_path: Path) -> None:
    """Half precision makes infinity of 1e6."""
    answers = []
    for mod in (qdrant_edge, edgeshard):
        vectors = mod.EdgeVectorParams(3, mod.Distance.Dot, datatype=mod.VectorStorageDatatype.Float16)
        shard = mod.EdgeShard.create(str(tmp_path / mod.__name__), mod.EdgeConfig(vectors=vectors))
        rows = [[1.0, 2.0, 3.0], [1e6, 1.0, 1.0], [-1e6, 1.0, -1e6], [0.0, 0.0, 0.0]]
        shard.update(mod.UpdateOperation.upsert_points([mod.Point(n, row, {}) for n, row in enumerate(rows)]))
        pair = mod.ContextPair([1.0, 0.0, 0.0], [3.0, 1.0, 0.0])
        queries = [
            mod.Query.Context(mod.ContextQuery([pair])),
            mod.Query.Discover(mod.DiscoverQuery([1.0, 1.0, 1.0], [pair])),
            mod.Query.RecommendSumScores(mod.RecommendQuery([[1.0, 1.0, 1.0]], [[1.0, 0.0, -1.0]])),
            mod.Query.RecommendBestScore(mod.RecommendQuery([[1.0, 1.0, 1.0]], [[1.0, 0.0, -1.0]])),
        ]
        found = [shard.query(mod.QueryRequest(limit=9, query=query)) for query in queries]
        answers.append([sorted((hit.id, round(hit.score, 4)) for hit in hits) for hits in found])
    assert answers[1] == answers[0]
