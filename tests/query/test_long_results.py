"""Results of many points, which share what was copied: the same as those of few, whatever becomes of the shard."""

from __future__ import annotations

import copy
import gc
import pickle
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeshard as es
from edgeshard._native import Found, ObjectMaker, ResultPage
from edgeshard.models.results import Record
from edgeshard.query.projection import PAGE_POINTS

COUNT = 2 * PAGE_POINTS + 10
PART = 67
OPS = es.UpdateOperation


def identity(number: int) -> int | uuid.UUID:
    return number if number % 3 else uuid.UUID(int=(number << 70) + 5)


def point(number: int) -> es.Point:
    rng = np.random.default_rng(number)
    vectors: dict[str, Any] = {"multi": rng.normal(size=(1 + number % 3, 4)).tolist()}
    if number % 4:
        vectors[""] = rng.normal(size=4).tolist()
    if number % 5:
        vectors["sparse"] = es.SparseVector([number, number + 7], [1.0, number + 0.5])
    payload = None if number % 7 == 0 else {"n": number, "text": "é" * (number % 11)}
    return es.Point(identity(number), vectors, payload)


@pytest.fixture(params=["appendable", "optimised", "both"])
def shard(request: pytest.FixtureRequest, tmp_path: Path) -> es.EdgeShard:
    config = es.EdgeConfig(
        vectors={
            "": es.EdgeVectorParams(size=4, distance=es.Distance.Euclid),
            "multi": es.EdgeVectorParams(
                size=4,
                distance=es.Distance.Dot,
                multivector_config=es.MultiVectorConfig(es.MultiVectorComparator.MaxSim),
            ),
        },
        sparse_vectors={"sparse": es.EdgeSparseVectorParams()},
        optimizers=es.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = es.EdgeShard.create(tmp_path / "shard", config)
    half = COUNT // 2 if request.param == "both" else COUNT
    shard.update(OPS.upsert_points([point(number) for number in range(half)]))
    if request.param != "appendable":
        shard.optimize()
    if half < COUNT:
        shard.update(OPS.upsert_points([point(number) for number in range(half, COUNT)]))
    return shard


def plain(record: Any) -> Any:
    vectors = record.vector
    if isinstance(vectors, dict) and "sparse" in vectors:
        vectors["sparse"] = (vectors["sparse"].indices, vectors["sparse"].values)
    return record.id, record.payload, vectors, record.order_value


def test_long_results_are_those_of_short_ones(shard: es.EdgeShard) -> None:
    ids = [identity(number) for number in range(COUNT)]
    for payload, vector in ((True, True), (True, False), (False, False), (["n"], ["multi", "sparse"])):
        long = shard.retrieve(ids, payload, vector)
        parts = [ids[start : start + PART] for start in range(0, COUNT, PART)]
        short = [record for part in parts for record in shard.retrieve(part, payload, vector)]
        assert [plain(record) for record in long] == [plain(record) for record in short]
        assert long == short
        assert hash(long[5]) == hash(short[5])
        assert repr(long[5]) == repr(short[5])
        request = es.ScrollRequest(limit=COUNT, with_payload=payload, with_vector=vector)
        place = {one: number for number, one in enumerate(ids)}
        assert sorted(shard.scroll(request)[0], key=lambda record: place[record.id]) == short


def test_what_was_read_stays_as_it_was(shard: es.EdgeShard) -> None:
    request = es.ScrollRequest(limit=COUNT, with_payload=True, with_vector=True)
    records = shard.scroll(request)[0]
    before = [plain(record) for record in records]
    first = records[3]
    assert first.id == records[3].id
    shard.update(OPS.overwrite_payload([record.id for record in records], {"other": 1}))
    shard.update(OPS.delete_points([record.id for record in records[: COUNT // 2]]))
    shard.close()
    gc.collect()
    assert [plain(record) for record in records] == before
    assert pickle.loads(pickle.dumps(records)) == records
    assert len(pickle.dumps(records[0])) < 2000  # itself, not what it shares
    assert copy.deepcopy(records[4]) == records[4]
    with pytest.raises(AttributeError):
        records[0].id = 5  # type: ignore[misc]
    del records
    assert plain(first) == before[3]


def test_queries_and_orderings_have_long_results_too(shard: es.EdgeShard) -> None:
    query = es.QueryRequest(
        query=es.Query.Nearest([1.0, 0.0, 0.0, 0.0]),
        limit=COUNT,
        with_payload=True,
        with_vector=True,
        params=es.SearchParams(exact=True),
    )
    found = shard.query(query)
    assert len(found) == COUNT - len(range(0, COUNT, 4))
    for hit in found[:: PAGE_POINTS // 10]:
        assert plain(hit) == plain(shard.retrieve([hit.id], True, True)[0])
    assert pickle.loads(pickle.dumps(found[:5])) == found[:5]
    shard.update(OPS.create_field_index("n", es.PayloadSchemaType.Integer))
    ordered = shard.scroll(es.ScrollRequest(limit=COUNT, order_by=es.OrderBy("n"), with_vector=True))[0]
    assert [record.order_value for record in ordered] == [number for number in range(COUNT) if number % 7]
    for record in ordered[:: PAGE_POINTS // 10]:
        assert plain(record)[:3] == plain(shard.retrieve([record.id], True, True)[0])[:3]


def test_pages_are_checked() -> None:
    lo, hi, is_uuid = np.zeros(2, np.uint64), np.zeros(2, np.uint64), np.zeros(2, np.bool_)
    text, bounds = np.frombuffer(b"{}", np.uint8), np.array([0, 2, 2])
    with pytest.raises(ValueError, match="different lengths"):
        ResultPage((lo, hi[:1], is_uuid), None, None)
    for wrong in ([0, 3, 3], [0, 2, 1], [-1, 0, 0]):
        with pytest.raises(ValueError, match="bounds"):
            ResultPage(None, (text, np.array(wrong), b"{}"), None)
    with pytest.raises(TypeError):
        ResultPage((lo, hi), None, None)  # type: ignore[arg-type]
    make = ObjectMaker(Record, ("_own_id", "_own_payload", "_own_vectors", "order_value"))
    page = ResultPage((lo, hi, is_uuid), (text, bounds, b"{}"), None)
    third = make((..., ..., None, None), 3, page)[2]
    for name in ("id", "payload"):
        with pytest.raises(IndexError, match="no such place"):
            getattr(third, name)
    with pytest.raises(AttributeError):
        _ = make((..., ..., None, None), 1)[0].id
    with pytest.raises(TypeError, match="ResultPage"):
        make((..., ..., None, None), 1, "page")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        _ = Found().id


def test_records_go_with_what_they_share() -> None:
    class Vectors:
        def at(self, place: int) -> Any:
            return place

    import weakref

    vectors = Vectors()
    gone = weakref.ref(vectors)
    make = ObjectMaker(Record, ("_own_id", "_own_payload", "_own_vectors", "order_value"))
    records = make((1, None, ..., None), 4, ResultPage(None, None, vectors))
    del vectors
    assert [record._vectors for record in records] == [0, 1, 2, 3]
    assert not any(gc.is_tracked(record) for record in records)
    last = records.pop()
    del records
    assert gone() is not None
    del last
    assert gone() is None


@pytest.mark.parametrize("enabled", [True, False])
def test_making_records_does_not_start_the_collector(enabled: bool) -> None:
    make = ObjectMaker(Record, ("_own_id", "_own_payload", "_own_vectors", "order_value"))
    started: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        started.append(info["generation"])

    gc.collect()
    gc.callbacks.append(note)
    try:
        if not enabled:
            gc.disable()
        kept = [make((1, None, None, None), 100 * gc.get_threshold()[0]) for _ in range(3)]
        assert gc.isenabled() is enabled
        with pytest.raises(ValueError, match="one item per object"):
            make(([1], None, None, None), 2)
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
        gc.callbacks.remove(note)
    assert len(kept) == 3
    assert len(started) <= 2 * 4  # one between two results at the most, each said at its start and its end


def test_a_damaged_payload_is_named_when_it_is_read(tmp_path):
    path = tmp_path / "shard"
    config = es.EdgeConfig(vectors=es.EdgeVectorParams(2, es.Distance.Dot))
    with es.EdgeShard.create(path, config) as shard:
        points = [es.Point(number, [1.0, number], {"n": number, "mark": "whole"}) for number in range(1200)]
        shard.update(es.UpdateOperation.upsert_points(points))
    (page,) = path.glob("segments/*/payload_storage/page_0.dat")
    data = page.read_bytes()
    page.write_bytes(data.replace(b'"mark":"whole"', b'"mark":"whole}'))
    folder = str(page.parent)
    with es.EdgeShard.load(path, verify=None) as shard:
        for limit in (1, 1200):
            (record, *_), _ = shard.scroll(es.ScrollRequest(limit=limit, with_payload=True))
            hit, *_ = shard.query(es.QueryRequest(limit, query=es.Query.Nearest([1.0, 1.0]), with_payload=True))
            for point in (record, hit):
                with pytest.raises(es.errors.CorruptedError, match="payload") as caught:
                    point.payload  # noqa: B018
                assert caught.value.path == folder
        condition = es.FieldCondition("mark", match=es.MatchValue("whole"))
        with pytest.raises(es.errors.CorruptedError) as caught:
            shard.count(es.CountRequest(filter=es.Filter(must=[condition])))
        assert folder in str(caught.value)
        with pytest.raises(es.errors.CorruptedError) as caught:
            shard.update(es.UpdateOperation.set_payload([7], {"m": 1}))
        assert folder in str(caught.value)
