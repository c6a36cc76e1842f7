"""Whatever is handed in: a clean typed error before anything is logged, or correct behaviour; the shard goes on."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_calls import CLEAN, new_shard
from workload import assert_same, dump

import edgeshard
from edgeshard import (
    Distance,
    EdgeShard,
    FieldCondition,
    Filter,
    HasIdCondition,
    MatchAny,
    MatchText,
    MatchValue,
    Point,
    PointVectors,
    Prefetch,
    Query,
    QueryRequest,
    RangeFloat,
    ScrollRequest,
    SparseVector,
    UpdateOperation,
)


class Liar:
    """Says it is a sequence of another length than it is."""

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> float:
        raise IndexError(index)


class Fake:
    """Claims a buffer it does not have."""

    __array_interface__ = {"shape": (4,), "typestr": "<f4", "data": (0, True), "version": 3}


def nested(depth: int, leaf: Any = 1) -> Any:
    for _ in range(depth):
        leaf = {"a": leaf}
    return leaf


def cyclic() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return loop


def deep_filter(depth: int) -> Filter:
    result = Filter(must=[FieldCondition(key="n", match=MatchValue(1))])
    for _ in range(depth):
        result = Filter(must=[result])
    return result


def deep_prefetch(depth: int) -> Prefetch:
    result = Prefetch(limit=3, query=Query.Nearest([1.0] * 4, "d"))
    for _ in range(depth):
        result = Prefetch(limit=3, query=Query.Nearest([1.0] * 4, "d"), prefetches=[result])
    return result


VECTORS: list[Callable[[], Any]] = [
    list,
    lambda: [1.0],
    lambda: [1.0] * 5,
    lambda: [1.0] * 100_000,
    lambda: [math.nan] * 4,
    lambda: [math.inf] * 4,
    lambda: [1e300] * 4,
    lambda: [10**400] * 4,
    lambda: ["1"] * 4,
    lambda: "1234",
    lambda: b"1234",
    lambda: None,
    lambda: [None] * 4,
    lambda: [[1.0] * 4],
    lambda: [[1.0] * 3],
    lambda: [[1.0], [1.0, 2.0]],
    lambda: [[]],
    lambda: [[[1.0]]],
    dict,
    lambda: {1: [1.0] * 4},
    lambda: {"d": None},
    lambda: {"zz": [1.0] * 4},
    lambda: object(),
    lambda: Liar(),
    lambda: Fake(),
    lambda: np.ones(4)[::-1],
    lambda: np.ones((4, 2))[:, 0],
    lambda: np.ones(4, ">f4"),
    lambda: np.ones(4, np.complex64),
    lambda: np.ones(4, object),
    lambda: np.array(["a"] * 4),
    lambda: np.zeros(0, np.float32),
    lambda: np.ones((0, 4), np.float32),
    lambda: np.ones((2, 0), np.float32),
    lambda: np.ones((1, 1, 4)),
    lambda: np.broadcast_to(np.float32(1), (1 << 40,)),
    lambda: np.float32(1),
    lambda: np.ones(4, bool),
    lambda: range(4),
    lambda: (1, 2, 3, 4),
    lambda: {1.0, 2.0, 3.0, 4.0},
    lambda: iter([1.0] * 4),
    lambda: memoryview(b"abcd"),
    lambda: np.datetime64("2024"),
    lambda: np.ma.masked_array([1.0] * 4, [True] * 4),
    lambda: [True] * 4,
    lambda: [1j] * 4,
    lambda: SparseVector([1, 2], [1.0]),
    lambda: SparseVector([1, 1], [1.0, 2.0]),
    lambda: SparseVector([-1], [1.0]),
    lambda: SparseVector([2**32], [1.0]),
    lambda: SparseVector([1], [math.nan]),
    lambda: SparseVector([], []),
    lambda: SparseVector(np.arange(3), np.ones((3, 1))),
    lambda: SparseVector([1.5], [1.0]),
    lambda: SparseVector("ab", "cd"),
]
PAYLOADS: list[Callable[[], Any]] = [
    lambda: nested(127),
    lambda: nested(126),
    lambda: nested(100_000),
    cyclic,
    lambda: {"a": [[]] * 3},
    lambda: {"n": math.nan},
    lambda: {"n": math.inf},
    lambda: {1: 2},
    lambda: {None: 1},
    lambda: {b"k": 1},
    lambda: {"\ud800": 1},
    lambda: {"a": "\udfff"},
    lambda: {"a": {1, 2}},
    lambda: {"a": object()},
    lambda: {"a": uuid.uuid4()},
    lambda: {"a": 10**400},
    lambda: {"a": -(10**30)},
    lambda: {"": 1},
    lambda: {"a\0b": "\0"},
    lambda: {"x" * 1_000_000: 1},
    lambda: {"a": "y" * 20_000_000},
    list,
    lambda: "text",
    lambda: 5,
    lambda: {"a": [1] * 200_000},
    lambda: {str(i): i for i in range(20_000)},
    lambda: {"a": np.ones(3)},
    lambda: {"a": np.float64("nan")},
    lambda: {"a": 1j},
    lambda: {"a": b"\xff"},
    lambda: {"a.b[0]": 1},
    lambda: {"a": (1, (2, (3,)))},
]
IDS: list[Callable[[], Any]] = [
    lambda: -1,
    lambda: 2**64,
    lambda: 2**64 - 1,
    lambda: 10**100,
    lambda: 1.0,
    lambda: math.nan,
    lambda: None,
    lambda: "",
    lambda: "12",
    lambda: "zz" * 1000,
    lambda: b"1",
    lambda: [1],
    lambda: True,
    lambda: np.uint64(7),
    lambda: np.float32(1),
    lambda: np.int8(-1),
    lambda: uuid.UUID(int=0),
    lambda: str(uuid.UUID(int=1)),
    lambda: "\ud800" * 36,
    lambda: object(),
]
KEYS: list[Callable[[], Any]] = [
    lambda: "",
    lambda: "x[",
    lambda: "a..b",
    lambda: "[",
    lambda: "a[99999999999999999999]",
    lambda: "\ud800",
    lambda: "a." * 5000 + "a",
    lambda: '"' * 3,
    lambda: "k" * 1_000_000,
    lambda: None,
    lambda: 5,
    lambda: "a\0b",
    lambda: "a[-1]",
    lambda: "a[]" * 50,
]
NAMES: list[Callable[[], Any]] = [
    lambda: "../x",
    lambda: "..",
    lambda: "a/../../b",
    lambda: "\0",
    lambda: "n" * 300,
    lambda: "\ud800",
    lambda: None,
    lambda: 3,
    lambda: "d",
    lambda: "s",
    lambda: "",
    lambda: "/etc/x",
    lambda: "a//b",
    lambda: ".",
]
NUMBERS: list[Callable[[], Any]] = [
    lambda: 0,
    lambda: -1,
    lambda: 2**63,
    lambda: 2**64 - 1,
    lambda: 2**64,
    lambda: 1.5,
    lambda: math.nan,
    lambda: "3",
    lambda: None,
    lambda: True,
]
FILTERS: list[Callable[[], Any]] = [
    lambda: deep_filter(50),
    lambda: deep_filter(5000),
    lambda: Filter(must=5),
    lambda: Filter(must=[5]),
    lambda: Filter(must="abc"),
    lambda: Filter(must=[FieldCondition(key="n", range=RangeFloat(gt=math.nan))]),
    lambda: "filter",
    lambda: Filter(must=[FieldCondition(key="k", match=MatchText("\ud800"))]),
    lambda: Filter(must=[FieldCondition(key="k", match=MatchText("word " * 100_000))]),
    lambda: Filter(must=[FieldCondition(key="n", match=MatchAny(list(range(100_000))))]),
    lambda: Filter(must=[FieldCondition(key="n", match=MatchValue(10**30))]),
    lambda: Filter(must=[HasIdCondition([-1])]),
    lambda: Filter(must=[HasIdCondition(list(range(50_000)))]),
    lambda: Filter(must=[Filter()] * 2000),
    lambda: Filter(must=[FieldCondition(key="a." * 3000 + "a", match=MatchValue(1))]),
]


def calls(shard: EdgeShard) -> list[Callable[[], Any]]:
    """Every bad value in every place it can stand in."""
    ops = UpdateOperation
    good = Point(500, {"d": [1.0] * 4}, {"n": 1})
    found: list[Callable[[], Any]] = []
    for name in ("d", "m", "s"):
        for vector in VECTORS:
            found += [
                lambda v=vector, n=name: shard.update(ops.upsert_points([good, Point(501, {n: v()}, {})])),
                lambda v=vector, n=name: shard.update(ops.update_vectors([PointVectors(1, {n: v()})])),
                lambda v=vector, n=name: shard.query(QueryRequest(query=Query.Nearest(v(), n), limit=3)),
            ]
    found += [lambda v=v: shard.update(ops.upsert_points([good, Point(501, v(), {})])) for v in VECTORS]
    found += [lambda v=v: shard.update(ops.upsert_batch([600, 601], {"d": v()})) for v in VECTORS]
    for payload in PAYLOADS:
        found += [
            lambda p=payload: shard.update(ops.upsert_points([good, Point(501, {"d": [1.0] * 4}, p())])),
            lambda p=payload: shard.update(ops.set_payload([1], p())),
            lambda p=payload: shard.update(ops.overwrite_payload([1], p(), None)),
            lambda p=payload: shard.update(ops.set_payload([1], p(), "deep.er")),
        ]
    for point_id in IDS:
        found += [
            lambda i=point_id: shard.update(ops.upsert_points([good, Point(i(), {"d": [1.0] * 4}, {})])),
            lambda i=point_id: shard.update(ops.delete_points([i()])),
            lambda i=point_id: shard.retrieve([i()], True, False),
            lambda i=point_id: shard.scroll(ScrollRequest(offset=i())),
            lambda i=point_id: shard.update(ops.upsert_batch([i()], {"d": np.ones((1, 4), np.float32)})),
        ]
    for key in KEYS:
        found += [
            lambda k=key: shard.update(ops.delete_payload([1], [k()])),
            lambda k=key: shard.update(ops.set_payload([1], {"v": 1}, k())),
            lambda k=key: shard.update(ops.create_field_index(k(), edgeshard.PayloadSchemaType.Keyword)),
            lambda k=key: shard.count(
                edgeshard.CountRequest(filter=Filter(must=[FieldCondition(key=k(), match=MatchValue(1))]))
            ),
        ]
    for name in NAMES:
        found += [
            lambda n=name: shard.update(ops.create_dense_vector(n(), 3, Distance.Dot)),
            lambda n=name: shard.update(ops.create_sparse_vector(n())),
            lambda n=name: shard.update(ops.delete_vectors([1], [n()])),
            lambda n=name: shard.query(QueryRequest(query=Query.Nearest([1.0] * 4, n()), limit=1)),
        ]
    for number in NUMBERS:
        found += [
            lambda n=number: shard.query(QueryRequest(query=Query.Nearest([1.0] * 4, "d"), limit=n())),
            lambda n=number: shard.query(QueryRequest(query=Query.Nearest([1.0] * 4, "d"), limit=2, offset=n())),
            lambda n=number: shard.scroll(ScrollRequest(limit=n())),
            lambda n=number: shard.update(ops.create_dense_vector("new", n(), Distance.Dot)),
            lambda n=number: shard.facet(edgeshard.FacetRequest("k", limit=n())),
        ]
    for condition in FILTERS:
        found += [
            lambda f=condition: shard.count(edgeshard.CountRequest(filter=f())),
            lambda f=condition: shard.query(QueryRequest(query=Query.Nearest([1.0] * 4, "d"), limit=3, filter=f())),
            lambda f=condition: shard.update(ops.set_payload_by_filter(f(), {"seen": 1})),
            lambda f=condition: shard.update(ops.upsert_points([good], f())),
        ]
    for depth in (1, 63, 64, 65, 500, 20_000):
        found.append(
            lambda d=depth: shard.query(
                QueryRequest(query=Query.Nearest([1.0] * 4, "d"), limit=3, prefetches=[deep_prefetch(d)])
            )
        )
    found += [lambda v=v: shard.update(v) for v in (None, "x", 5, [], ops, good)]
    return found


def try_all(path: Path, numbers: list[int] | None) -> int:
    """Make the calls with those numbers (or all); how many there are."""
    shard = new_shard(path)
    attempts = calls(shard)
    for number in range(len(attempts)) if numbers is None else numbers:
        before = dump(edgeshard, shard)
        try:
            attempts[number]()
        except CLEAN:
            assert_same(dump(edgeshard, shard), before)
        except Exception as error:
            raise AssertionError(f"call {number}: {type(error).__name__}: {error}"[:500]) from error
        if number % 40 == 0:
            contents = dump(edgeshard, shard)
            shard.close()
            shard = EdgeShard.load(path)
            attempts = calls(shard)
            assert_same(dump(edgeshard, shard), contents)
    contents = dump(edgeshard, shard)
    shard.close()
    with EdgeShard.load(path) as again:
        assert_same(dump(edgeshard, again), contents)
        assert again.verify() == []
    return len(attempts)


def test_bad_input(tmp_path: Path) -> None:
    total = try_all(tmp_path / "count", [])
    try_all(tmp_path / "shard", sorted(random.Random(1).sample(range(total), 200)))


@pytest.mark.long
def test_all_bad_input(tmp_path: Path) -> None:
    assert try_all(tmp_path / "shard", None) > 800
