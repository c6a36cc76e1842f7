import random
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgeshard
from edgeshard.filter.check import compile_filter
from edgeshard.filter.evaluate import evaluate, evaluate_offsets
from edgeshard.models.filters import FieldCondition, Filter, HasIdCondition
from edgeshard.models.matches import MatchAny, MatchValue, RangeFloat


def assert_same(points, filter, node=None):
    passes = compile_filter(filter)
    expected = np.array([passes(view) for view in points.views()], np.bool_)
    np.testing.assert_array_equal(evaluate(filter, points), expected, err_msg=str(node))
    some = np.arange(0, points.count, 7, dtype=np.uint32)
    np.testing.assert_array_equal(evaluate_offsets(filter, points, some), expected[some], err_msg=str(node))


@pytest.mark.parametrize("seed", range(4))
def test_same_as_check_while_points_change(neutral, seed):
    rng = random.Random(seed)
    points = neutral.Points(neutral.points(rng, 150))
    for _ in range(150):
        node = neutral.some(rng)
        assert_same(points, neutral.build(edgeshard, node), node)
        for offset in rng.sample(range(points.count), rng.choice([0, 1, 5])):
            points.change(offset, neutral.payload(rng))
        if rng.random() < 0.3:
            points.add(1000 + points.count, neutral.payload(rng))
        if rng.random() < 0.03:
            points.columns.drop()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_same_as_check(neutral, rng):
    points = neutral.Points(neutral.points(rng, 8))
    node = neutral.some(rng)
    assert_same(points, neutral.build(edgeshard, node), node)


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("n", MatchValue(2**53 + 1)),
        ("n", MatchValue(2**53)),
        ("n", MatchAny(list(range(20)))),
        ("n", MatchAny([2**62 + 1, *range(20)])),
        ("s", MatchAny([f"w{number}" for number in range(20)])),
        ("s", MatchAny(["w1", "unknown"])),
        ("b", MatchValue(True)),
    ],
)
def test_values_that_need_care(neutral, path, match):
    numbers = [2**53, 2**53 + 1, 2**62, 2**62 + 1, 1, 1.0, 5, -(2**63), 2**64 - 1]
    points = neutral.Points((i, {"n": n, "s": f"w{i}", "b": [True, 1][i % 2]}) for i, n in enumerate(numbers))
    assert_same(points, Filter(must=[FieldCondition(path, match=match)]))
    points.change(0, {"n": 7, "s": 7})  # after large integers came small ones, and the other way round
    points.change(1, {"n": [2**60 + 1, "x"], "s": ["w1", "w2"]})
    assert_same(points, Filter(must=[FieldCondition(path, match=match)]))


def test_large_integers_arriving_later(neutral):
    points = neutral.Points((i, {"n": i}) for i in range(10))
    filter = Filter(must=[FieldCondition("n", match=MatchValue(2**60 + 1))])
    assert not evaluate(filter, points).any()
    points.change(4, {"n": 2**60 + 1})
    assert np.flatnonzero(evaluate(filter, points)).tolist() == [4]
    assert_same(points, Filter(must=[FieldCondition("n", match=MatchValue(3))]))


def test_few_candidates_do_not_read_a_column(neutral):
    points = neutral.Points((i, {"n": i}) for i in range(500))
    filter = Filter(must=[FieldCondition("n", range=RangeFloat(gte=3)), HasIdCondition({2, 3, 4})])
    assert np.flatnonzero(evaluate(filter, points)).tolist() == [3, 4]
    assert points.reads == 0


def test_masks_belong_to_the_caller(neutral):
    points = neutral.Points((i, {"n": i}, {"v"}) for i in range(10))
    filter = Filter(must=[FieldCondition("n", is_empty=False)])
    evaluate(filter, points)[:] = False
    assert evaluate(filter, points).all()


def test_readers_during_changes(neutral):
    """Points that do not change are answered right while others do."""
    points = neutral.Points((i, {"t": ["even", "odd"][i % 2], "n": [i]}) for i in range(2000))
    filter = Filter(
        must=[FieldCondition("t", match=MatchValue("even")), FieldCondition("n[]", range=RangeFloat(gte=0))]
    )
    failures = []

    def read():
        for _ in range(100):
            found = np.flatnonzero(evaluate(filter, points)[100:2000]).tolist()
            if found != list(range(0, 1900, 2)):
                failures.append(found)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for round_number in range(300):
        points.change(round_number % 100, {"t": f"new {round_number}", "n": list(range(round_number % 5))})
    for reader in readers:
        reader.join()
    assert not failures
