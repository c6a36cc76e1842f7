"""Equality, hash, repr, pickle, copy and match of at least one instance of every public class."""

from __future__ import annotations

import copy
import enum
import pickle
from typing import Any

import pytest

import edgeshard
from edgeshard.models.base import Model

SCOPE = {name: getattr(edgeshard, name) for name in edgeshard.__all__ if name != "EdgeShard"}
EXAMPLES = [
    'GroupRequest(QueryRequest(5, query=Query.Nearest([1.0])), "brand[]", 4, 2)',
    'PointGroup("a", [ScoredPoint(1, 2, 0.5)])',
    "SearchMatrixRequest(20, 5, Filter(must=[HasIdCondition({1})]), 'v')",
    "SearchMatrixPair(1, 2, 0.5)",
    "SearchMatrixOffsets([1, 2], [0, 1], [1, 0], [0.5, 0.25])",
    "SegmentPlan('abc', 'scan', 10, 5, 4, None, 0.5)",
    "StagePlan('nearest', 5, 4, 0.5, [SegmentPlan('abc', 'scan', 10, 5, 4, 4, 0.5)], [StagePlan('x', 1, 0, 0.0)])",
    "AcornSearchParams(True, 0.4)",
    (
        "BinaryQuantizationConfig(True, BinaryQuantizationEncoding.TwoBits, BinaryQuantizationQuery"
        "Encoding.Binary, Memory.Pinned)"
    ),
    'Bm25Config(k=1.5, language="german", stopwords=Language.German, stemmer=DisabledStemmer())',
    "Bm25Params(1.0, 0.5)",
    'BoolIndexParams(on_disk=True, nested="a[]")',
    "ContextPair([1, 2], SparseVector([1], [2]))",
    "ContextQuery([ContextPair([1], [2])])",
    "CountRequest(False, Filter())",
    "DatetimeIndexParams(is_principal=True)",
    "DisabledStemmer()",
    "DiscoverQuery([1], [ContextPair([1], [2])])",
    ('EdgeConfig({"a": EdgeVectorParams(4, Distance.Dot)}, {"s": EdgeSparseVectorParams()}, wal_enabled=False)'),
    "EdgeOptimizersConfig(0.25, 100)",
    'EdgeSparseVectorParams(10, modifier=getattr(Modifier, "None"))',
    ("EdgeVectorParams(4, Distance.Cosine, multivector_config=MultiVectorConfig(MultiVectorComparator.MaxSim))"),
    "Expression.Abs(Expression.Constant(1))",
    "Expression.Acosh(Expression.Constant(1))",
    'Expression.Condition(FieldCondition("a", is_null=True))',
    "Expression.Constant(0.1)",
    'Expression.Constant(float("nan"))',
    'Expression.Datetime("2024-01-01")',
    'Expression.DatetimeKey("a.b")',
    'Expression.Decay(DecayKind.Gauss, Expression.Variable("a"), scale=2)',
    "Expression.Div(Expression.Constant(1), Expression.Constant(2), 0.5)",
    "Expression.Exp(Expression.Constant(1))",
    'Expression.GeoDistance(GeoPoint(1, 2), "a")',
    "Expression.Ln(Expression.Constant(1))",
    "Expression.Log10(Expression.Constant(1))",
    "Expression.Max([Expression.Constant(1)])",
    "Expression.Min([Expression.Constant(1)])",
    "Expression.Mult([])",
    'Expression.Neg(Expression.Variable("$score"))',
    "Expression.Pow(Expression.Constant(1), Expression.Constant(2))",
    "Expression.Sqrt(Expression.Constant(1))",
    "Expression.Sum([Expression.Constant(1), Expression.Constant(2)])",
    'Expression.Variable("$score[1]")',
    "FacetHit(True, 3)",
    'FacetRequest("a", 5, True, Filter())',
    'FacetResponse([FacetHit("a", 2), FacetHit(1, 1)])',
    "FeedbackItem([1, 2], 0.5)",
    "FeedbackNaiveQuery([1], [FeedbackItem([1], 1)], NaiveFeedbackStrategy(1, 2, 3))",
    ('FieldCondition("a[].b", match=MatchValue(True), range=RangeFloat(gte=1), values_count=ValuesCount(lt=3))'),
    'Filter(must=[Filter(), IsEmptyCondition("a")], min_should=MinShould([HasVectorCondition("")], 1))',
    "FloatIndexParams(memory=Memory.Cold)",
    'Formula(Expression.Variable("a"), {"a": 1.5})',
    "Fusion.Dbsf()",
    "Fusion.Rrf(2, [1, 0.1])",
    "GeoBoundingBox(GeoPoint(1, 2), GeoPoint(3, 1))",
    "GeoIndexParams(enable_hnsw=False)",
    "GeoPoint(1.5, -2)",
    "GeoPolygon([GeoPoint(0, 0), GeoPoint(1, 0), GeoPoint(1, 1), GeoPoint(0, 0)], [])",
    'GeoRadius(GeoPoint(0, 0), float("inf"))',
    'HasIdCondition({1, "550e8400-e29b-41d4-a716-446655440000"})',
    "HasIdCondition(set())",
    'HasVectorCondition("v")',
    "HnswIndexConfig(16, 100, 10000, payload_m=8)",
    "IdfParams(Filter())",
    "IntegerIndexParams(lookup=True, range=False)",
    "IsEmptyCondition('\"odd key\".b')",
    'IsNullCondition("a")',
    "KeywordIndexParams(prefix=True)",
    'MatchAny(["a", "b"])',
    "MatchAny([])",
    "MatchExcept([1, 2])",
    'MatchPhrase("a b")',
    'MatchPrefix("a")',
    'MatchSubstring("a")',
    'MatchText("a")',
    'MatchTextAny("a b")',
    'MatchValue("it\'s")',
    "MatchValue(5)",
    'MinShould([IsNullCondition("a")], 1)',
    'Mmr([1, 2], 0.5, 10, "v")',
    "MultiVectorConfig(MultiVectorComparator.MaxSim)",
    "NaiveFeedbackStrategy(0.1, 0.2, 0.3)",
    'NestedCondition("a[]", Filter())',
    'OrderBy("a", Direction.Desc, "2024-01-01T00:00:00.5Z")',
    'OrderBy("a", start_from=1.5)',
    "PayloadIndexInfo(PayloadSchemaType.Keyword, KeywordIndexParams(), 3)",
    'PayloadSelector.Exclude(["a"])',
    'PayloadSelector.Include(["a[].b"])',
    "PlainIndexConfig()",
    ('Point("550e8400-e29b-41d4-a716-446655440000", {"a": [1], "b": [[1, 2]], "s": SparseVector([2, 1], [1, 2])})'),
    'Point(1, [1, -0.0, 0.1], {"a": [1, 2.5, None, True, "\\u00fc\\n"], "b": {}})',
    "PointVectors(1, [[1, 2], [3, 4]])",
    "Prefetch(5, Query.Nearest([1]), [Prefetch(3)], SearchParams(exact=True), Filter(), 0.1)",
    "ProductQuantizationConfig(CompressionRatio.X16)",
    "QuantizationSearchParams(True, False, 2.0)",
    "Query.Context(ContextQuery([]))",
    'Query.Discover(DiscoverQuery([1], []), "v")',
    "Query.FeedbackNaive(FeedbackNaiveQuery([1], [], NaiveFeedbackStrategy(1, 2, 3)))",
    'Query.Nearest([1, float("nan")], "v")',
    "Query.RecommendBestScore(RecommendQuery([[1]], []))",
    "Query.RecommendSumScores(RecommendQuery([], [SparseVector([1, 1], [1, 2])]))",
    "QueryBatchRequest([QueryRequest(1)])",
    'QueryRequest(1, 2, Sample.Random, [Prefetch(1)], ["v"], PayloadSelector.Include(["a"]), Filter(), 0.5)',
    'QueryRequest(1, query=Formula(Expression.Constant(1)), with_payload=["a", "b"])',
    'QueryRequest(1, query=TextQuery("a", "words"))',
    'RangeDateTime(gte="2024-01-01", lt="+10000-01-01T00:00:00.000001Z")',
    'RangeFloat(gte=float("nan"), lt=float("-inf"))',
    "RecommendQuery([[1]], [[2]])",
    'Record(1, {"a": 1}, {"v": [1]}, 5)',
    "ScalarQuantizationConfig(ScalarType.Int8, 0.99)",
    'ScoredPoint("550e8400-e29b-41d4-a716-446655440000", 3, 0.5, {"a": 1}, [1, 2])',
    'ScrollRequest(offset="550e8400-e29b-41d4-a716-446655440000", limit=3, order_by=OrderBy("a"))',
    "SearchParams(64, True, QuantizationSearchParams(), True, AcornSearchParams(), IdfParams())",
    "SearchRequest(Query.Nearest([1]), 5, with_vector=True)",
    'ShardInfo(1, 2, 3, {"a": PayloadIndexInfo(PayloadSchemaType.Bool, None, 1)})',
    "SliceCondition(4, 1)",
    "SnowballParams(SnowballLanguage.Tamil)",
    "SparseVector([3, 1], [0.1, 2])",
    'StopwordsSet({Language.English, Language.German}, {"x"})',
    'TextIndexParams(TokenizerType.Prefix, 1, 5, scoring=True, stopwords=StopwordsSet(custom=["a"]))',
    'TextQuery("a", "words", Bm25Params(b=0.1))',
    "TextScoringParams(TextScoringType.Bm25)",
    "TurboQuantQuantizationConfig(bits=TurboQuantBitSize.Bits1_5)",
    "UpdateOperation.clear_payload([1, 2])",
    "UpdateOperation.clear_payload_by_filter(Filter())",
    'UpdateOperation.create_dense_vector("v", 4, Distance.Dot, datatype=VectorStorageDatatype.Float16)',
    'UpdateOperation.create_field_index("a", IntegerIndexParams())',
    'UpdateOperation.create_field_index("a", PayloadSchemaType.Uuid)',
    'UpdateOperation.create_sparse_vector("v", Modifier.Idf)',
    'UpdateOperation.delete_field_index("a")',
    'UpdateOperation.delete_payload([1], ["a", "b[]"])',
    'UpdateOperation.delete_payload_by_filter(Filter(), ["a"])',
    "UpdateOperation.delete_points([1])",
    "UpdateOperation.delete_points_by_filter(Filter())",
    'UpdateOperation.delete_vector_name("v")',
    'UpdateOperation.delete_vectors([1], ["v"])',
    'UpdateOperation.delete_vectors_by_filter(Filter(), ["v"])',
    'UpdateOperation.overwrite_payload([1], {"a": 1})',
    'UpdateOperation.overwrite_payload_by_filter(Filter(), {"a": None})',
    'UpdateOperation.set_payload([1], {"a": 1.0}, "k.l")',
    'UpdateOperation.set_payload_by_filter(Filter(), {"a": [1]})',
    "UpdateOperation.update_vectors([PointVectors(1, [1.0])], Filter())",
    'UpdateOperation.upsert_batch([1, 2], [[1, 2], [3, 4]], [{"a": 1}, None])',
    (
        'UpdateOperation.upsert_batch(["550e8400-e29b-41d4-a716-446655440000"], {"s": ([0, 1], [5],'
        ' [1.5]), "m": [[[1, 2], [3, 4]]]})'
    ),
    "UpdateOperation.upsert_points([Point(1, [1.0])], Filter(), UpdateMode.InsertOnly)",
    "UuidIndexParams(is_tenant=True)",
    "ValuesCount(gte=2)",
]


def build(text: str) -> Any:
    """The object an expression evaluates to."""
    return eval(text, dict(SCOPE))


@pytest.mark.parametrize("text", EXAMPLES)
def test_repr_evaluates_back(text: str) -> None:
    model = build(text)
    assert build(repr(model)) == model
    assert str(model) == repr(model)


@pytest.mark.parametrize("text", EXAMPLES)
def test_equal_by_value_and_hashable(text: str) -> None:
    one, other = build(text), build(text)
    assert one is not other
    assert one == other
    assert hash(one) == hash(other)
    assert one != object()


@pytest.mark.parametrize("text", EXAMPLES)
def test_pickles_and_copies(text: str) -> None:
    model = build(text)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(model, protocol)) == model
    assert copy.copy(model) == model
    assert copy.deepcopy(model) == model


@pytest.mark.parametrize("text", EXAMPLES)
def test_immutable_and_matchable(text: str) -> None:
    model = build(text)
    for name in model.__match_args__:
        getattr(model, name)
        with pytest.raises(AttributeError):
            setattr(model, name, None)
    with pytest.raises(AttributeError):
        model.surely_not_there = 1
    assert not hasattr(model, "__dict__")


def test_all_examples_differ() -> None:
    models = [build(text) for text in EXAMPLES]
    assert len(set(models)) == len(models)


def test_every_class_has_an_example() -> None:
    seen = {type(build(text)) for text in EXAMPLES}
    models = {value for value in SCOPE.values() if isinstance(value, type) and issubclass(value, Model)}
    models -= {edgeshard.Bm25}
    missing = {cls for cls in models if not any(issubclass(kind, cls) for kind in seen)}
    assert not missing


def test_match_statement() -> None:
    match edgeshard.FieldCondition("a.b", edgeshard.MatchValue(5)):
        case edgeshard.FieldCondition(key, edgeshard.MatchValue(value)):
            assert (key, value) == ("a.b", 5)
        case _:
            pytest.fail("did not match")
    match edgeshard.Query.Nearest([1, 2], "v"):
        case edgeshard.Query.Nearest(vector, using="v"):
            assert vector == [1.0, 2.0]
        case _:
            pytest.fail("did not match")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MatchValue(True)", "MatchValue(1)"),
        ("FacetHit(True, 1)", "FacetHit(1, 1)"),
        ("OrderBy('a', start_from=1)", "OrderBy('a', start_from=1.0)"),
        ("OrderBy('a', start_from=0)", "OrderBy('a', start_from='1970-01-01')"),
        ("PayloadSelector.Include(['a'])", "PayloadSelector.Exclude(['a'])"),
        ("Point(1, [1.0])", "Point(1, [[1.0]])"),
        ("Point(1, [1.0], {'a': 1})", "Point(1, [1.0], {'a': 1.0})"),
        ("Point(1, [1.0], {})", "Point(1, [1.0])"),
        ("PointVectors(1, [1.0])", "Point(1, [1.0])"),
    ],
)
def test_near_misses_differ(one: str, other: str) -> None:
    assert build(one) != build(other)


@pytest.mark.parametrize(
    "cls", [value for value in SCOPE.values() if isinstance(value, type) and issubclass(value, enum.Enum)]
)
def test_enumerations(cls: type[enum.Enum]) -> None:
    for ordinal, member in enumerate(cls):
        assert int(member) == member.value == ordinal  # type: ignore[call-overload]
        assert build(repr(member)) is member
        assert pickle.loads(pickle.dumps(member)) is member
        assert copy.deepcopy(member) is member
        assert str(member) == f"{cls.__name__}.{member.name}"


def test_getters_return_fresh_copies() -> None:
    point = edgeshard.Point(1, [1.0, 2.0], {"a": [1]})
    point.payload["a"].append(2)
    point.vector.append(3.0)
    assert point.payload == {"a": [1]}
    assert point.vector == [1.0, 2.0]
    query_filter = edgeshard.Filter(must=[edgeshard.Filter()])
    query_filter.must.clear()
    assert len(query_filter.must) == 1
