"""Facets against counting in Python, over kinds of values, ties, updates, deletions and several segments."""

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import qdrant_edge
from hypothesis import given
from hypothesis import strategies as st

import edgeshard as e
from edgeshard import _native

OPS = e.UpdateOperation
KINDS = {
    "word": (e.PayloadSchemaType.Keyword, lambda rng: rng.choice(["ä", "z", "b\u0000", "bb", "", "a" * 40])),
    "many": (e.PayloadSchemaType.Keyword, lambda rng: f"w{rng.randrange(1500)}"),
    "n": (e.PayloadSchemaType.Integer, lambda rng: rng.choice([7, 7.0, -(2**63), 2**63 - 1, 0.5, True, -3])),
    "id": (e.PayloadSchemaType.Uuid, lambda rng: str(UUID(int=rng.randrange(40) << rng.choice([0, 64, 90])))),
    "yes": (e.PayloadSchemaType.Bool, lambda rng: rng.choice([True, False, 1, "true"])),
}


def payload(rng):
    made = {}
    for key, (_, draw) in KINDS.items():
        values = [draw(rng) for _ in range(rng.choice([0, 1, 1, 3]))]
        if values:
            made[key] = values if len(values) > 1 or rng.random() < 0.5 else values[0]
    return made


def indexed(key, value):
    """The values of a payload an index of the field holds."""
    values = value if isinstance(value, list) else [value]
    if key in ("word", "many", "id"):
        return {v for v in values if isinstance(v, str)}
    if key == "yes":
        return {v for v in values if isinstance(v, bool)}
    return {int(v) for v in values if not isinstance(v, bool) and v == int(v)}


def expected(points, key, limit):
    counts = Counter(value for p in points.values() for value in indexed(key, p.get(key, [])))
    order = (lambda v: v.encode()) if key in ("word", "many", "id") else (lambda v: v)
    return sorted(counts.items(), key=lambda item: (-item[1], order(item[0])))[:limit]


@pytest.mark.parametrize("merged", [False, True])
def test_facets_count_points_by_value(tmp_path, merged):
    rng = random.Random(5)
    points = {n: payload(rng) for n in range(1500)}
    optimizers = e.EdgeOptimizersConfig(indexing_threshold=1)  # optimising makes a second segment
    vectors = e.EdgeVectorParams(1, e.Distance.Dot)
    shard = e.EdgeShard.create(tmp_path, e.EdgeConfig(vectors=vectors, optimizers=optimizers))
    for key, (kind, _) in KINDS.items():
        shard.update(OPS.create_field_index(key, kind))

    def put(ids):
        shard.update(OPS.upsert_points([e.Point(n, [1.0], points[n]) for n in ids]))

    put(points)
    for step in range(3):
        if merged and step == 1:
            assert shard.optimize()
        for key in KINDS:
            for limit in (0, 1, 10, 1000, 5000):
                for exact in (True, False):
                    found = shard.facet(e.FacetRequest(key, limit, exact))
                    assert [(hit.value, hit.count) for hit in found.hits] == expected(points, key, limit), (key, limit)
            some = set(rng.sample(sorted(points), 200))
            found = shard.facet(e.FacetRequest(key, 10, True, e.Filter(must=[e.HasIdCondition(some)])))
            wanted = expected({n: points[n] for n in some}, key, 10)
            assert [(hit.value, hit.count) for hit in found.hits] == wanted
        changed = rng.sample(sorted(points), 300)
        points.update({n: payload(rng) for n in [*changed, *range(5000 + 10 * step, 5005 + 10 * step)]})
        put([*changed, *range(5000 + 10 * step, 5005 + 10 * step)])
        gone = rng.sample(sorted(points), 50)
        shard.update(OPS.delete_points(gone))
        for n in gone:
            del points[n]
    shard.close()


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(0, 30))
def test_most_frequent(counts, wanted):
    above, tied = (found.tolist() for found in _native.most_frequent(np.array(counts, np.int64), wanted))
    filled = sorted((count for count in counts if count), reverse=True)[:wanted]
    if not filled or len(filled) < wanted:
        assert (above, tied) == ([n for n, count in enumerate(counts) if count and wanted], [])
    else:
        assert above == [n for n, count in enumerate(counts) if count > filled[-1]]
        assert tied == [n for n, count in enumerate(counts) if count == filled[-1]]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=60), st.sets(st.integers(0, 7)))
def test_values_by_point_are_counted_once(pairs, chosen):
    owners, numbers = (np.array(column, np.uint32) for column in (zip(*pairs, strict=True) if pairs else ([], [])))
    starts, values = _native.group_by_point(owners, numbers, 8)  # owners 8 and 9 are no points
    assert [values[a:b].tolist() for a, b in pairwise(starts)] == [
        sorted({number for owner, number in pairs if owner == point}) for point in range(8)
    ]
    counts = _native.count_values(starts, values, np.array(sorted(chosen), np.uint32), 5)
    wanted = Counter(number for _, number in {pair for pair in pairs if pair[0] in chosen})
    assert counts.tolist() == [wanted[number] for number in range(5)]


def test_counting_checks_its_arguments():
    starts, numbers = np.array([0, 1, 2], np.int64), np.array([0, 7], np.uint32)
    for chosen, groups in (([2], 8), ([1], 7)):
        with pytest.raises(ValueError, match="expected"):
            _native.count_values(starts, numbers, np.array(chosen, np.uint32), groups)
    with pytest.raises(ValueError, match="codes"):
        _native.ColumnStrings().order(np.array([1], np.uint32), 1)


def test_an_estimate_over_no_points_needs_no_index(tmp_path):
    """As in qdrant-edge-py; an exact count needs one even there."""
    for mod in (e, qdrant_edge):
        path = tmp_path / mod.__name__
        path.mkdir()
        shard = mod.EdgeShard.create(str(path), mod.EdgeConfig(vectors=mod.EdgeVectorParams(1, mod.Distance.Dot)))
        assert shard.facet(mod.FacetRequest("k", exact=False)).hits == []
        with pytest.raises(Exception, match="No appropriate index for faceting"):
            shard.facet(mod.FacetRequest("k", exact=True))
        shard.update(mod.UpdateOperation.upsert_points([mod.Point(1, [1.0])]))
        with pytest.raises(Exception, match="No appropriate index for faceting"):
            shard.facet(mod.FacetRequest("k", exact=False))
        shard.close()


def test_a_facet_is_remembered_by_its_limit_until_the_counts_change(tmp_path: Path) -> None:
    with e.EdgeShard.create(tmp_path / "shard", e.EdgeConfig(e.EdgeVectorParams(1, e.Distance.Dot))) as shard:
        shard.update(OPS.create_field_index("k", e.PayloadSchemaType.Keyword))
        shard.update(OPS.upsert_points([e.Point(n, [1.0], {"k": f"v{n % 3}"}) for n in range(8)]))

        def asked(limit: int, condition: e.Filter | None = None) -> list[tuple[object, int]]:
            return [(hit.value, hit.count) for hit in shard.facet(e.FacetRequest("k", limit, True, condition)).hits]

        for _ in range(2):
            assert asked(2) == [("v0", 3), ("v1", 3)]
            assert asked(2, e.Filter(must=[e.HasIdCondition({2, 5})])) == [("v2", 2)]
            assert asked(2) == [("v0", 3), ("v1", 3)]
            assert asked(3) == [("v0", 3), ("v1", 3), ("v2", 2)]
        shard.update(OPS.upsert_points([e.Point(n, [1.0], {"k": "v2"}) for n in (0, 8)]))
        assert asked(3) == [("v2", 4), ("v1", 3), ("v0", 2)]
        shard.update(OPS.delete_points([2, 5]))
        assert asked(3) == [("v1", 3), ("v0", 2), ("v2", 2)]
