"""A filter object asked again is answered from what is remembered; every kind of change must be noticed."""

import pickle
import random
import uuid

import numpy as np
import pytest

import edgeshard as e
from edgeshard.filter import selections
from edgeshard.filter.selections import Selection, Selections
from edgeshard.models.ids import id_sort_key

OPS = e.UpdateOperation
FILTERS = [
    e.Filter(must=[e.FieldCondition("n", range=e.RangeFloat(lt=5))]),
    e.Filter(must=[e.FieldCondition("word", match=e.MatchText("two"))]),
    e.Filter(must_not=[e.FieldCondition("word", match=e.MatchValue("one"))]),
    e.Filter(must=[e.HasIdCondition({1, 2, 3, 700, 5000})]),
    e.Filter(must=[e.HasVectorCondition("extra")]),
    e.Filter(should=[e.IsEmptyCondition("n")]),
]


def point(n: int, rng: random.Random) -> e.Point:
    key = uuid.UUID(int=n * 7919) if n % 3 == 0 else n
    payload = {"n": rng.randrange(20), "word": rng.choice(["one", "two", "TWO three"])} if n % 5 else {}
    vectors = {"": [rng.random(), 1.0], **({"extra": [1.0]} if n % 2 else {})}
    return e.Point(key, vectors, payload)


@pytest.mark.filterwarnings("ignore::edgeshard.errors.UnindexedScanWarning")
def test_every_change_is_noticed(tmp_path):
    rng = random.Random(3)
    vectors = {"": e.EdgeVectorParams(2, e.Distance.Dot), "extra": e.EdgeVectorParams(1, e.Distance.Dot)}
    optimizers = e.EdgeOptimizersConfig(indexing_threshold=1)
    shard = e.EdgeShard.create(tmp_path, e.EdgeConfig(vectors=vectors, optimizers=optimizers))
    changes = [
        lambda: OPS.upsert_points([point(n, rng) for n in range(900)]),
        lambda: OPS.upsert_points([point(701, rng)]),
        lambda: OPS.set_payload([1, 2, 4], {"n": 1}),
        lambda: OPS.overwrite_payload([5], {"word": "one two"}),
        lambda: OPS.delete_payload([1, 2], ["n"]),
        lambda: OPS.clear_payload([7, 8]),
        lambda: OPS.delete_points([2, 4, 8]),
        lambda: OPS.delete_vectors([1, 5, 7], ["extra"]),
        lambda: OPS.update_vectors([e.PointVectors(10, {"extra": [2.0]})]),
        lambda: OPS.create_field_index("word", e.TextIndexParams(lowercase=False)),
        lambda: OPS.upsert_points([point(n, rng) for n in range(880, 950)]),
        lambda: OPS.delete_field_index("word"),
        lambda: OPS.delete_vector_name("extra"),
        lambda: OPS.create_dense_vector("extra", 1, e.Distance.Dot),
        lambda: OPS.update_vectors([e.PointVectors(11, {"extra": [2.0]})]),
    ]
    answers = []
    for change in changes:
        shard.update(change())
        found = [ids_of(shard, filter) for filter in FILTERS]
        assert found == [ids_of(shard, pickle.loads(pickle.dumps(filter))) for filter in FILTERS]
        answers.append(found)
    assert all(len(set(map(tuple, column))) > 1 for column in zip(*answers, strict=True))  # the changes mattered
    assert shard.optimize()
    assert [ids_of(shard, filter) for filter in FILTERS] == answers[-1]
    shard.close()


def ids_of(shard: e.EdgeShard, filter: e.Filter) -> list:
    records, following = shard.scroll(e.ScrollRequest(limit=5000, filter=filter))
    assert following is None
    assert shard.count(e.CountRequest(filter=filter)) == len(records)
    hits = shard.query(e.QueryRequest(limit=5000, query=e.Query.Nearest([1.0, 0.0]), filter=filter))
    assert {hit.id for hit in hits} == {record.id for record in records}
    return [record.id for record in records]


@pytest.mark.parametrize("below", [4, 40, 1000])  # few points are sorted, many are met on a walk
def test_pages_of_a_filter_are_in_id_order(tmp_path, below):
    rng = random.Random(below)
    ids = rng.sample(range(10**6), 2000)
    points = [e.Point(uuid.UUID(int=n) if n % 2 else n, [1.0], {"n": n % 1000}) for n in ids]
    shard = e.EdgeShard.create(tmp_path, e.EdgeConfig(vectors=e.EdgeVectorParams(1, e.Distance.Dot)))
    shard.update(OPS.upsert_points(points))
    filter = e.Filter(must=[e.FieldCondition("n", range=e.RangeFloat(lt=below))])
    wanted = sorted((p.id for p in points if p.payload["n"] < below), key=id_sort_key)
    for limit in (1, 7, 300):
        start, found, pages = None, [], 0
        while pages == 0 or (start is not None and pages < 12):
            page, start = shard.scroll(e.ScrollRequest(offset=start, limit=limit, filter=filter))
            found += [record.id for record in page]
            pages += 1
        assert found == wanted[: len(found)]
        assert start is not None or len(found) == len(wanted)
    shard.close()


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(selections, "MAX_FILTERS", 4)
    monkeypatch.setattr(selections, "MAX_BYTES", 1000)
    known, made = Selections(), []

    def ask(filter, size=10):
        def make(filter):
            made.append(filter)
            return Selection(np.zeros(size, np.bool_))

        return known.of(filter, make)

    filters = [e.Filter(must=[e.HasVectorCondition(str(number))]) for number in range(6)]
    for filter in filters[:4]:
        ask(filter)
    assert ask(filters[0]) is ask(filters[0])
    ask(filters[4])  # three stay, those asked for last
    assert len(made) == 5
    assert ask(filters[0]) is ask(filters[0])
    ask(filters[3])
    assert len(made) == 5
    ask(filters[1])
    ask(filters[2])  # was dropped, as the one before, and makes room again
    assert len(made) == 7
    ask(filters[5], 995)  # all others have to go
    ask(filters[2])
    assert len(made) == 9
    ask(filters[3], 1001)  # too large to be kept
    ask(filters[3], 1001)
    assert len(made) == 11
    known.clear()
    ask(filters[2])
    assert len(made) == 12


def test_filters_that_say_the_same_share_what_is_remembered():
    known, made = Selections(), []

    def ask(filter):
        def make(filter):
            made.append(filter)
            return Selection(np.zeros(10, np.bool_))

        return known.of(filter, make)

    def equal(value):
        return e.Filter(must=[e.FieldCondition("a", match=e.MatchValue(value))])

    first = ask(equal(1))
    assert all(ask(equal(1)) is first for _ in range(100))  # more objects than are kept
    assert len(made) == 1
    assert ask(equal(True)) is not first
    assert ask(equal("1")) is not first
    assert ask(e.Filter(must_not=[e.FieldCondition("a", match=e.MatchValue(1))])) is not first
    assert len(made) == 4


@pytest.mark.parametrize("kind", ["keyword", "integer", "float"])
def test_few_points_come_from_the_index_as_offsets(tmp_path, kind):
    rng = random.Random(3)
    values = [rng.randrange(300) for _ in range(3000)]
    fields = {"keyword": str, "integer": int, "float": float}
    shard = e.EdgeShard.create(
        tmp_path,
        e.EdgeConfig(
            vectors=e.EdgeVectorParams(2, e.Distance.Dot), optimizers=e.EdgeOptimizersConfig(indexing_threshold=1)
        ),
    )
    shard.update(OPS.create_field_index("v", getattr(e.PayloadSchemaType, kind.capitalize())))
    made = fields[kind]
    payload = [{"v": [made(value), made((value + 7) % 300)]} for value in values]
    shard.update(OPS.upsert_points([e.Point(i, [1.0, i / 3000], payload[i]) for i in range(3000)]))
    shard.optimize()
    shard.update(OPS.delete_points([i for i in range(3000) if i % 5 == 0]))
    segment = max(shard._store.segments, key=lambda segment: segment.count)
    assert segment.count == 3000
    if kind == "float":
        filters = {at: e.FieldCondition("v", range=e.RangeFloat(gte=at, lt=at + 3)) for at in (0, 17, 295)}
    else:
        filters = {at: e.FieldCondition("v", match=e.MatchValue(made(at))) for at in (0, 17, 295)}
    for at, condition in filters.items():
        hit = {made(at + n) for n in range(3)} if kind == "float" else {made(at)}
        wanted = [i for i in range(3000) if i % 5 and hit & set(payload[i]["v"])]
        chosen = segment.select(e.Filter(must=[condition]))
        assert chosen._mask is None
        assert [segment.ids.id_at(int(offset)) for offset in chosen.offsets] == wanted
        assert np.flatnonzero(chosen.mask).tolist() == chosen.offsets.tolist()
        found = shard.query(e.QueryRequest(100, query=e.Query.Nearest([0.0, 1.0]), filter=e.Filter(must=[condition])))
        assert [point.id for point in found] == wanted[::-1][:100]
    shard.close()
