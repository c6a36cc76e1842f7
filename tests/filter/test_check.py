import random

import pytest
import qdrant_edge

import edgeshard
from edgeshard.filter.check import compile_filter
from edgeshard.models.filters import FieldCondition, Filter, MinShould, NestedCondition
from edgeshard.models.matches import MatchAny, MatchExcept, MatchValue


@pytest.fixture(scope="module")
def points(neutral):
    return neutral.Points(neutral.points(random.Random(8), 250))


@pytest.fixture(scope="module")
def shard(tmp_path_factory, points):
    """The same points in qdrant_edge."""
    config = qdrant_edge.EdgeConfig(
        vectors={"v": qdrant_edge.EdgeVectorParams(size=1, distance=qdrant_edge.Distance.Dot)},
        sparse_vectors={"s": qdrant_edge.EdgeSparseVectorParams()},
    )
    shard = qdrant_edge.EdgeShard.create(str(tmp_path_factory.mktemp("shard")), config)
    values = {"v": [1.0], "s": qdrant_edge.SparseVector([1], [1.0])}
    shard.update(
        qdrant_edge.UpdateOperation.upsert_points(
            [
                qdrant_edge.Point(id, {name: values[name] for name in vectors}, payload)
                for id, payload, vectors in zip(points.ids, points.payloads, points.vectors, strict=True)
            ]
        )
    )
    yield shard
    shard.close()


@pytest.mark.parametrize("seed", range(8))
def test_same_points_as_qdrant(neutral, points, shard, seed):
    rng = random.Random(seed)
    views = points.views()
    for _ in range(150):
        node = neutral.some(rng)
        request = qdrant_edge.ScrollRequest(limit=1000, filter=neutral.build(qdrant_edge, node), with_payload=False)
        expected = {record.id for record in shard.scroll(request)[0]}
        passes = compile_filter(neutral.build(edgeshard, node))
        assert {view.id for view in views if passes(view)} == expected, node


def passing(neutral, filter, payloads):
    views = neutral.Points((number, payload, ()) for number, payload in enumerate(payloads)).views()
    return [view.id for view in views if filter is None or compile_filter(filter)(view)]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (MatchValue(True), [0, 5]),
        (MatchValue(False), [1]),
        (MatchValue(1), [2, 5]),
        (MatchAny([1]), [2, 5]),
        (MatchExcept([1]), [0, 1, 3, 4, 5]),
    ],
)
def test_booleans_are_values_of_their_own(neutral, match, expected):
    payloads = [{"a": value} for value in (True, False, 1, 1.0, "1", [1, True], None)]
    assert passing(neutral, Filter(must=[FieldCondition("a", match=match)]), payloads) == expected


def test_empty_clauses_say_nothing_wherever_they_stand(neutral):
    payloads = [{"a": [{"b": 1}]}, {"a": []}]
    assert passing(neutral, Filter(must=[], should=[], must_not=[]), payloads) == [0, 1]
    assert passing(neutral, Filter(must=[NestedCondition("a", Filter(should=[]))]), payloads) == [0]
    assert passing(neutral, Filter(min_should=MinShould([], 1)), payloads) == []
    assert passing(neutral, None, payloads) == [0, 1]
