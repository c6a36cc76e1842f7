"""Changes of one point take a shorter way: it must lead to the same shard, log and errors as the general one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

import edgeshard
from edgeshard import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    MultiVectorComparator,
    MultiVectorConfig,
    Point,
    PointVectors,
    SparseVector,
    UpdateOperation,
    VectorStorageDatatype,
)
from edgeshard.segment.segment import Segment
from edgeshard.shard import store
from edgeshard.storage.wal import Wal

IDS: list[Any] = [1, 2, 3, 2**63, UUID(int=7), UUID(int=8)]
KINDS = [
    (Distance.Cosine, None),
    (Distance.Dot, VectorStorageDatatype.Float16),
    (Distance.Euclid, VectorStorageDatatype.Uint8),
]


PAYLOADS: list[Any] = [
    None,
    {},
    {"a": 1, "b": {"c": [1, None]}},
    {"a": "é", "n": None},
    {"b": [{"d": 1}, {"d": 2}], "z": 0},
]
PATCHES: list[Any] = [{"a": 2}, {"a": None}, {"new": {"x": 1.5}}, {}, {"b": {"d": 1}}]
KEYS = [["a"], ["b.c"], ["b"], ["a", "new"], ["b[].d", "n"], ["nothing"], ["b.c[]"], []]


def plain_vectors(rng: random.Random) -> Any:
    return [round(rng.uniform(0, 200), 2) for _ in range(4)]


def named_vectors(rng: random.Random) -> Any:
    vectors: dict[str, Any] = {
        "a": plain_vectors(rng),
        "m": [plain_vectors(rng)[:2] for _ in range(rng.randrange(1, 4))],
        "s": SparseVector(rng.sample(range(50), 3), [1.0, 2.0, round(rng.random(), 2)]),
    }
    return {name: vectors[name] for name in rng.sample(sorted(vectors), rng.randrange(4))}


def change(rng: random.Random, vectors: Callable[[random.Random], Any], names: list[str]) -> UpdateOperation:
    """An operation over one point; now and then over one that does not exist, or of a vector name that does not."""
    ids = [rng.choice(IDS)] * rng.choice([1, 1, 1, 1, 1, 1, 2])
    update = UpdateOperation
    kinds: list[Callable[[], UpdateOperation]] = [
        lambda: update.upsert_points([Point(ids[0], vectors(rng), rng.choice(PAYLOADS))]),
        lambda: update.upsert_points([Point(ids[0], vectors(rng), rng.choice(PAYLOADS))]),
        lambda: update.update_vectors([PointVectors(ids[0], vectors(rng))]),
        lambda: update.delete_vectors(ids, rng.sample([*names, rng.choice([*names, "other"])], rng.randrange(3) and 1)),
        lambda: update.set_payload(ids, rng.choice(PATCHES), key=rng.choice([None, None, "b", "b.c", "b[0]", "x.y"])),
        lambda: update.set_payload(ids, rng.choice(PATCHES)),
        lambda: update.overwrite_payload(ids, rng.choice(PAYLOADS) or {}, key=rng.choice([None, "b"])),
        lambda: update.delete_payload(ids, rng.choice(KEYS)),
        lambda: update.clear_payload(ids),
        lambda: update.delete_points(ids),
    ]
    return rng.choice(kinds)()


def content(shard: EdgeShard) -> list[Any]:
    found = [shard.retrieve([point_id], with_payload=True, with_vector=True) for point_id in IDS]
    return [[(r.id, r.payload, json.dumps(r.payload), str(r.vector)) for r in records] for records in found]


def logged(path: Path) -> list[bytes]:
    log = Wal.open(path / "wal", read_only=True)
    try:
        return [bytes(payload) for _, payload in log.entries(0)]
    finally:
        log.close()


def both_ways(
    path: Path,
    vectors: Any,
    sparse: dict[str, EdgeSparseVectorParams],
    operations: list[UpdateOperation],
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """What a history leads to by the shorter way and by the general one."""
    shorter, found = store.change_single, {}
    filler = {"a": [1.0] * 4} if isinstance(vectors, dict) else [1.0] * 4
    config = EdgeConfig(vectors, sparse or None, optimizers=EdgeOptimizersConfig(indexing_threshold=1))
    for way in ("shorter", "general"):
        monkeypatch.setattr(store, "change_single", shorter if way == "shorter" else lambda *_: False)
        failures: list[Any] = []
        shard = EdgeShard.create(path / way, config)
        for number, operation in enumerate(operations):
            if number == 25 and seed % 3 == 0:  # all points are in an immutable segment then
                shard.update(UpdateOperation.upsert_points([Point(n, filler, {}) for n in range(1000, 1300)]))
                assert shard.optimize()
            try:
                shard.update(operation)
            except edgeshard.EdgeShardError as error:
                failures.append((number, type(error), str(error)))
            if number % 10 == 9:  # indexes in memory are made by the first search and kept current after it
                failures.append((number, searched(shard)))
        before = content(shard)
        segments = [described(segment) for segment in shard._store.segments]
        log = logged(path / way)
        shard.close()
        with EdgeShard.load(path / way, verify="full") as shard:
            assert content(shard) == before
            assert shard.verify() == []
        found[way] = before, failures, segments, log
    return found


def searched(shard: EdgeShard) -> list[Any]:
    """What searches of every vector name find."""
    queries: dict[str, Any] = {name: [50.0, 100.0, 3.0, 7.0] for name in ("", "a")}
    queries |= {"m": [[1.0, 2.0], [30.0, 4.0]], "s": SparseVector(range(50), [1.0] * 50)}
    asked = [
        edgeshard.Query.Nearest(query, using=name) for name, query in queries.items() if name in shard._store.schema
    ]
    found = [shard.query(edgeshard.QueryRequest(limit=9, query=query)) for query in asked]
    return [[(point.id, point.score, point.version) for point in points] for points in found]


def described(segment: Segment) -> list[Any]:
    """Versions, what changed last, and how many points an index finds."""
    changes = [getattr(segment.changes, name) for name in segment.changes.__slots__]
    indexed = [segment.indexes.points(field) for field in segment.indexes.schema]
    return [segment.version, segment.ids.versions.tolist(), changes, indexed]


@pytest.mark.parametrize("name", ["", "a"])
@pytest.mark.parametrize("seed", range(40))
def test_the_shorter_way_leads_to_the_same_shard(
    seed: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    distance, datatype = KINDS[seed % len(KINDS)]
    vectors: Any = EdgeVectorParams(4, distance, datatype=datatype)
    made = plain_vectors
    if name:
        vectors, made = {name: vectors}, lambda rng: {name: plain_vectors(rng)} if rng.random() < 0.9 else {}
    operations = [change(rng, made, [name]) for _ in range(60)]
    if seed % 2:
        operations.insert(5, UpdateOperation.create_field_index("a", edgeshard.PayloadSchemaType.Integer))
    found = both_ways(tmp_path, vectors, {}, operations, seed, monkeypatch)
    assert found["general"][3]
    assert found["shorter"] == found["general"]


@pytest.mark.parametrize("seed", range(40))
def test_so_it_does_with_several_vectors(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    distance, datatype = KINDS[seed % len(KINDS)]
    multi = MultiVectorConfig(MultiVectorComparator.MaxSim)
    vectors = {
        "a": EdgeVectorParams(4, distance, datatype=datatype),
        "m": EdgeVectorParams(2, Distance.Dot, multivector_config=multi),
    }
    operations = [change(rng, named_vectors, ["a", "m", "s"]) for _ in range(60)]
    operations[3:3] = [
        UpdateOperation.create_field_index("a", edgeshard.PayloadSchemaType.Integer),
        UpdateOperation.update_vectors([PointVectors(1, {"other": [1.0]})]),
        UpdateOperation.update_vectors([PointVectors(1, {"a": [1.0]})]),
    ]
    found = both_ways(tmp_path, vectors, {"s": EdgeSparseVectorParams()}, operations, seed, monkeypatch)
    assert found["general"][3]
    assert found["shorter"] == found["general"]


SINGLE = {
    "upsert": UpdateOperation.upsert_points([Point(1, [4, 3, 2, 1], {"b": 2})]),
    "update_vectors": UpdateOperation.update_vectors([PointVectors(1, [4, 3, 2, 1])]),
    "delete_vectors": UpdateOperation.delete_vectors([1], [""]),
    "set_payload": UpdateOperation.set_payload([1], {"b": 2}),
    "set_payload at a path": UpdateOperation.set_payload([1], {"b": 2}, key="c"),
    "overwrite_payload": UpdateOperation.overwrite_payload([1], {"b": 2}),
    "delete_payload": UpdateOperation.delete_payload([1], ["a"]),
    "clear_payload": UpdateOperation.clear_payload([1]),
    "delete_points": UpdateOperation.delete_points([1]),
}


@pytest.mark.parametrize("kind", SINGLE)
def test_what_fails_half_way_is_taken_back(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step of every change is to say that the segment was touched."""
    with EdgeShard.create(tmp_path, EdgeConfig(vectors=EdgeVectorParams(4, Distance.Dot))) as shard:
        shard.update(UpdateOperation.upsert_points([Point(n, [1, 2, 3, 4], {"a": n}) for n in (1, 2, 3)]))
        before, log = content(shard), logged(tmp_path)

        touched, errors = Segment.touched, [KeyboardInterrupt()]

        def fail_once(segment: Segment) -> None:
            if errors:
                raise errors.pop()
            touched(segment)

        with monkeypatch.context() as patch:
            patch.setattr(Segment, "touched", fail_once)
            patch.setattr(store, "resolve", lambda *_: pytest.fail("not the shorter way"))
            with pytest.raises(KeyboardInterrupt):
                shard.update(SINGLE[kind])
        assert content(shard) == before
        assert logged(tmp_path) == log
        shard.update(SINGLE[kind])
        assert (content(shard) != before, len(logged(tmp_path))) == (True, len(log) + 1)


def test_a_payload_that_stays_the_same_is_not_written_again(tmp_path: Path) -> None:
    with EdgeShard.create(tmp_path, EdgeConfig(vectors=EdgeVectorParams(4, Distance.Dot))) as shard:
        shard.update(UpdateOperation.upsert_points([Point(n, [1, 2, 3, 4], {"a": 1}) for n in (1, 2, 3)]))
        (segment,) = shard._store.segments
        dirty, before = segment.payload.dirty_bytes, content(shard)
        for ids in ([1], [1, 2]):
            shard.update(UpdateOperation.set_payload(ids, {"a": 1}))
            shard.update(UpdateOperation.delete_payload(ids, ["b"]))
        assert (segment.payload.dirty_bytes, content(shard)) == (dirty, before)
        assert segment.ids.versions.tolist() == [4, 4, 0]
        shard.update(UpdateOperation.set_payload([1, 2], {"a": 2}))
        assert segment.payload.dirty_bytes > dirty
        assert shard.retrieve([2])[0].payload == {"a": 2}


@pytest.mark.parametrize("ids", [np.array([2], np.uint64), np.array([2]), [np.int64(2)], (2,)])
def test_ids_of_any_kind_are_found(ids: Any, tmp_path: Path) -> None:
    with EdgeShard.create(tmp_path, EdgeConfig(vectors=EdgeVectorParams(4, Distance.Dot))) as shard:
        shard.update(UpdateOperation.upsert_points([Point(2, [1, 2, 3, 4], {"a": 1})]))
        shard.update(UpdateOperation.set_payload(ids, {"b": 2}))
        assert shard.retrieve([2])[0].payload == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (UpdateOperation.update_vectors([PointVectors(9, [1.0, 2.0, 3.0, 4.0])]), edgeshard.PointNotFoundError),
        (UpdateOperation.update_vectors([PointVectors(1, [1.0, 2.0])]), edgeshard.VectorDimensionError),
        (UpdateOperation.set_payload([9], {"a": 1}), edgeshard.PointNotFoundError),
        (UpdateOperation.upsert_points([Point(1, [1.0], {})]), edgeshard.VectorDimensionError),
    ],
)
def test_what_cannot_be_applied_is_refused_as_ever(
    operation: UpdateOperation, error: type[Exception], tmp_path: Path
) -> None:
    with EdgeShard.create(tmp_path, EdgeConfig(vectors=EdgeVectorParams(4, Distance.Dot))) as shard:
        shard.update(UpdateOperation.upsert_points([Point(1, [1, 2, 3, 4], {"a": 1})]))
        before = len(logged(tmp_path))
        with pytest.raises(error):
            shard.update(operation)
        assert len(logged(tmp_path)) == before
